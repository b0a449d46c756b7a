// Command sample prints signatures of a manifest, for tests. It is no part of a release.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"

	"fleetloop.dev/engine/signatures/internal/signing"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	wanted := ocispec.Descriptor{}
	flag.StringVar((*string)(&wanted.Digest), "digest", "", "of the manifest")
	flag.StringVar(&wanted.MediaType, "media-type", ocispec.MediaTypeImageManifest, "of the manifest")
	flag.Int64Var(&wanted.Size, "size", 0, "of the manifest")
	flag.Parse()
	signed, err := signing.All(wanted)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(signed); err != nil {
		log.Fatal(err)
	}
}
