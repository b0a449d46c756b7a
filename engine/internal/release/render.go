package release

import (
	"context"
	"fmt"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	v1 "helm.sh/helm/v4/pkg/release/v1"
)

// Render is the verb helm.render: no cluster is asked, `lookup` finds nothing.
func Render(ctx context.Context, args RenderArgs) (RenderResult, error) {
	place := Place{Name: args.Name, Namespace: args.Namespace, StorageNamespace: args.Namespace}
	install := newInstall(action.NewConfiguration(action.ConfigurationSetLogger(&lastLines{})), InstallArgs{
		Place:      place,
		PostRender: args.PostRender,
	})
	install.DryRunStrategy = action.DryRunClient
	install.Replace = true
	install.IsUpgrade = args.Upgrade
	install.APIVersions = args.APIVersions
	if args.KubeVersion != "" {
		version, err := common.ParseKubeVersion(args.KubeVersion)
		if err != nil {
			return RenderResult{}, fmt.Errorf("Kubernetes version '%s': %w", args.KubeVersion, err)
		}
		install.KubeVersion = version
	}
	chart, err := args.Chart.load()
	if err != nil {
		return RenderResult{}, err
	}
	values, err := args.Values.merged()
	if err != nil {
		return RenderResult{}, err
	}
	made, err := install.RunWithContext(ctx, chart, values)
	if err != nil {
		return RenderResult{}, err
	}
	release, ok := made.(*v1.Release)
	if !ok {
		return RenderResult{}, fmt.Errorf("a release of the type %T", made)
	}
	return renderResult(release)
}

func renderResult(release *v1.Release) (RenderResult, error) {
	result := RenderResult{Hooks: []map[string]any{}, Notes: release.Info.Notes}
	var err error
	if result.Objects, err = documents(release.Manifest); err != nil {
		return result, err
	}
	for _, hook := range release.Hooks {
		objects, err := documents(hook.Manifest)
		if err != nil {
			return result, err
		}
		result.Hooks = append(result.Hooks, objects...)
	}
	return result, nil
}
