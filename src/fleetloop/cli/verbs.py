"""The table of verbs: what exists, in which file, and one line about each. A verb's file is imported when it is invoked."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Verb:
    """`path` is `file:Class` under fleetloop.cli."""

    path: str
    help: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """`options` is `file:Class` of flags that may stand before the sub-command; the sub-commands declare them too."""

    help: str
    verbs: Mapping[str, "Verb | Group"] = field(default_factory=dict)
    options: str = ""
    aliases: tuple[str, ...] = ()


VERBS: dict[str, Verb | Group] = {
    "bootstrap": Group(
        "Deploy the controllers on a cluster the GitOps way",
        {
            "bitbucket-server": Verb("bootstrap_bitbucket_server:BitbucketServer", "From a Bitbucket Server repository"),
            "git": Verb("bootstrap:Git", "From any Git repository"),
            "gitea": Verb("bootstrap_gitea:Gitea", "From a Gitea repository"),
            "github": Verb("bootstrap:GitHub", "From a GitHub repository"),
            "gitlab": Verb("bootstrap_gitlab:GitLab", "From a GitLab repository"),
        },
        options="bootstrap:BootstrapOptions",
    ),
    "build": Group(
        "Build resources from local files",
        {
            "artifact": Verb("build_artifact:BuildArtifact", "Build an artifact from a local directory or file"),
            "helmrelease": Verb("build_helmrelease:BuildHelmRelease", "Render the chart of a HelmRelease", ("hr",)),
            "kustomization": Verb(
                "build_kustomization:BuildKustomization", "Build a Kustomization from a local directory", ("ks",)
            ),
        },
    ),
    "check": Verb("check:Check", "Check requirements and installation"),
    "completion": Verb("completion:Completion", "Generate completion scripts for various shells"),
    "create": Group(
        "Create or update sources and resources",
        {
            "alert": Verb("create_notification:CreateAlert", "Create or update an Alert"),
            "alert-provider": Verb("create_notification:CreateAlertProvider", "Create or update a Provider"),
            "fleet": Verb("create_fleet:CreateFleet", "Write the repositories of a new fleet"),
            "helmrelease": Verb("create_helmrelease:CreateHelmRelease", "Create or update a HelmRelease", ("hr",)),
            "image": Group(
                "Create or update what automates images",
                {
                    "policy": Verb("create_image:CreateImagePolicy", "Create or update an ImagePolicy"),
                    "repository": Verb("create_image:CreateImageRepository", "Create or update an ImageRepository"),
                    "update": Verb("create_image:CreateImageUpdate", "Create or update an ImageUpdateAutomation"),
                },
            ),
            "kustomization": Verb("create_kustomization:CreateKustomization", "Create or update a Kustomization", ("ks",)),
            "receiver": Verb("create_notification:CreateReceiver", "Create or update a Receiver"),
            "secret": Group(
                "Create or update Kubernetes secrets",
                {
                    "git": Verb("create_secret_git:CreateSecretGit", "With the credentials of a Git repository"),
                    "githubapp": Verb("create_secret_others:CreateSecretGitHubApp", "With the credentials of a GitHub App"),
                    "helm": Verb("create_secret_others:CreateSecretHelm", "With the credentials of a Helm repository"),
                    "notation": Verb("create_secret_notation:CreateSecretNotation", "With whom to trust for notation signatures"),
                    "oci": Verb("create_secret_others:CreateSecretOci", "With the credentials of an OCI registry"),
                    "proxy": Verb("create_secret_others:CreateSecretProxy", "With the address of a proxy"),
                    "receiver": Verb("create_secret_others:CreateSecretReceiver", "With the token of a Receiver"),
                    "tls": Verb("create_secret_others:CreateSecretTls", "With TLS certificates"),
                },
            ),
            "source": Group(
                "Create or update sources",
                {
                    "bucket": Verb("create_source_bucket:CreateSourceBucket", "Create or update a Bucket source"),
                    "chart": Verb("create_source_chart:CreateSourceChart", "Create or update a HelmChart source"),
                    "git": Verb("create_source_git:CreateSourceGit", "Create or update a GitRepository source"),
                    "helm": Verb("create_source_helm:CreateSourceHelm", "Create or update a HelmRepository source"),
                    "oci": Verb("create_source_oci:CreateSourceOci", "Create or update an OCIRepository source"),
                },
                options="create_source:SourceOptions",
            ),
            "tenant": Verb("create_tenant:CreateTenant", "Create or update a tenant"),
        },
        options="create:CreateOptions",
    ),
    "debug": Verb("debug:Debug", "Print what a Kustomization or HelmRelease works with"),
    "delete": Verb("delete:Delete", "Delete sources and resources"),
    "demo": Verb("demo:Demo", "Run a whole fleet on this machine"),
    "diff": Group(
        "Compare local files with the cluster",
        {
            "artifact": Verb("diff_artifact:DiffArtifact", "Compare a local directory with an artifact in a registry"),
            "helmrelease": Verb(
                "diff_helmrelease:DiffHelmRelease", "Show what a HelmRelease would change in the cluster", ("hr",)
            ),
            "kustomization": Verb(
                "diff_kustomization:DiffKustomization", "Show what a local directory would change in the cluster", ("ks",)
            ),
        },
    ),
    "envsubst": Verb("envsubst:Envsubst", "Replace variables in a text, as a Kustomization would"),
    "events": Verb("events:Events", "Display events of the resources"),
    "export": Verb("export:Export", "Export resources in YAML format"),
    "get": Verb("get:Get", "Get the resources and their status"),
    "install": Verb("install:Install", "Install or upgrade the controllers"),
    "list": Group(
        "List artifacts",
        {"artifacts": Verb("list_artifacts:ListArtifacts", "List the artifacts of a repository in a registry", ("artifact",))},
    ),
    "local": Group(
        "Run clusters on this machine",
        {
            "down": Verb("local:Down", "Stop the local clusters, keeping their data"),
            "kubectl": Verb("local_kubectl:Kubectl", "Run kubectl against a local cluster"),
            "reset": Verb("local:Reset", "Stop the local clusters and remove their data"),
            "status": Verb("local:Status", "Show the local clusters"),
            "up": Verb("local:Up", "Start local clusters"),
        },
        options="local:LocalOptions",
    ),
    "logs": Verb("logs:Logs", "Display formatted logs of the controllers"),
    "migrate": Verb("migrate:Migrate", "Migrate objects of the API to its current versions"),
    "plugin": Group(
        "Manage plugins, programs that become commands",
        {
            "install": Verb("plugin:PluginInstall", "Install a plugin"),
            "list": Verb("plugin:PluginList", "List the plugins that are installed", ("ls",)),
            "search": Verb("plugin:PluginSearch", "Search the catalog of plugins"),
            "uninstall": Verb("plugin:PluginUninstall", "Remove a plugin", ("delete",)),
            "update": Verb("plugin:PluginUpdate", "Update plugins", ("upgrade",)),
        },
    ),
    "pull": Group("Pull artifacts", {"artifact": Verb("pull_artifact:PullArtifact", "Fetch an artifact from a registry")}),
    "push": Group("Push artifacts", {"artifact": Verb("push_artifact:PushArtifact", "Put an artifact into a registry")}),
    "reconcile": Verb("reconcile:Reconcile", "Reconcile sources and resources"),
    "resume": Verb("resume:Resume", "Resume suspended resources"),
    "serve": Verb("serve:Serve", "Run a controller; what the Deployments in a cluster start"),
    "stats": Verb("stats:Stats", "Count the resources, and what fails, by kind"),
    "suspend": Verb("suspend:Suspend", "Suspend resources"),
    "tag": Group("Tag artifacts", {"artifact": Verb("tag_artifact:TagArtifact", "Give an artifact more tags")}),
    "trace": Verb("trace:Trace", "Find out where an object comes from"),
    "tree": Verb("tree:Tree", "Print the resources reconciled by a Kustomization"),
    "trigger": Group("Trigger webhooks", {"receiver": Verb("trigger_receiver:TriggerReceiver", "Call a Receiver's webhook")}),
    "uninstall": Verb("uninstall:Uninstall", "Remove the controllers and their resources"),
    "version": Verb("version:Version", "Print the client and controllers versions"),
}
