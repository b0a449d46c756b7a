package secrets

import (
	"fmt"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"
)

type store interface {
	sops.EncryptedFileLoader
	sops.PlainFileLoader
	sops.EncryptedFileEmitter
	sops.PlainFileEmitter
}

func storeOf(format string) (store, error) {
	switch format {
	case "json":
		return json.NewStore(&config.JSONStoreConfig{Indent: -1}), nil
	case "yaml":
		return yaml.NewStore(&config.YAMLStoreConfig{}), nil
	case "dotenv":
		return dotenv.NewStore(&config.DotenvStoreConfig{}), nil
	case "ini":
		return ini.NewStore(&config.INIStoreConfig{}), nil
	case "binary":
		return json.NewBinaryStore(&config.JSONBinaryStoreConfig{Indent: -1}), nil
	}
	return nil, fmt.Errorf("format '%s' is none of json, yaml, dotenv, ini, binary", format)
}
