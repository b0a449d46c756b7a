package yamldoc

import (
	"context"
	"encoding/json"
	"testing"
)

// Any text is an error or documents that are JSON, and these can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add("a: 1\n---\nb: [x, &y z, *y]\n", false)
	f.Add("a: 1\na: 2\n", true)
	f.Add("a: |\n  ---\n  b\n--- # note\n{}\n", true)
	f.Fuzz(func(t *testing.T, text string, strict bool) {
		got, err := Parse(context.Background(), ParseArgs{Text: text, Strict: strict})
		if err != nil {
			return
		}
		for _, document := range got.Documents {
			if !json.Valid(document) {
				t.Fatalf("%q gave %s", text, document)
			}
		}
		written, err := Emit(context.Background(), EmitArgs{Documents: got.Documents})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := Parse(context.Background(), ParseArgs{Text: written.Text}); err != nil {
			t.Fatalf("%q was written as %q: %v", text, written.Text, err)
		}
	})
}
