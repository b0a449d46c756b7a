package kustomize

import (
	"strings"
	"testing"
)

// GHSA-v554-xwgw-hc3w: passwords and signatures in the URL of a base are in no message, whatever the URL looks like.
func TestShown(t *testing.T) {
	for reference, want := range map[string]string{
		"https://u:hunter2@h/r.git?ref=v1":      "https://u:xxxxx@h/r.git?ref=v1",
		"https://h/r.git?sig=hunter2&ref=v1":    "https://h/r.git?sig=xxxxx&ref=v1",
		"https://u:hun%ter2@h/r":                "https://u:xxxxx@h/r",
		"git::https://u:hunter2@h/r":            "git::https://u:xxxxx@h/r",
		"https://u:a@hunter2@h/r":               "https://u:xxxxx@h/r",
		"https://github.com/o/r//x?ref=main":    "https://github.com/o/r//x?ref=main",
		"git@github.com:o/r.git?submodules=yes": "git@github.com:o/r.git?submodules=yes",
	} {
		if got := shown(reference); got != want {
			t.Errorf("%s: %s", reference, got)
		}
	}
}

func FuzzReference(f *testing.F) {
	f.Add("https://u:p@h/r.git?ref=-x&sig=1")
	f.Add("git::ssh://-oProxyCommand=x/r")
	f.Add("git@h:o/r")
	f.Fuzz(func(t *testing.T, reference string) {
		text := shown(reference)
		if isRemote(reference) && checkReference(reference) == nil && strings.Contains(strings.Split(reference, "?")[0], "/-") {
			t.Errorf("%q passed", reference)
		}
		for _, secret := range secretsOf(reference) {
			if len(secret) > 5 && !strings.Contains("xxxxx", secret) && strings.Contains(text, secret) {
				t.Errorf("%q is in %q", secret, text)
			}
		}
	})
}
