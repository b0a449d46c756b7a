// Package client pins the version of the helm command that the tests build and use: the one of the engine.
package client

import _ "helm.sh/helm/v4/pkg/cmd"
