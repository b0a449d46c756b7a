package yamldoc

import (
	"context"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	text := "a: 1\n---\n# nothing\n---\nb: |\n  x\n  ---\n  y\n--- # note\nc: yes\nd: \"010\"\ne: 010\n---\n"
	got, err := Parse(context.Background(), ParseArgs{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, document := range got.Documents {
		shown = append(shown, string(document))
	}
	want := `{"a":1} {"b":"x\n---\ny\n"} {"c":true,"d":"010","e":8}`
	if strings.Join(shown, " ") != want {
		t.Errorf("got %s", shown)
	}
	if _, err := Parse(context.Background(), ParseArgs{Text: "a: 1\na: 2\n", Strict: true}); err == nil {
		t.Error("a key given twice passed")
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += strings.ReplaceAll("C: &C [*P,*P,*P,*P,*P,*P,*P,*P,*P,*P]\n", "C", string(c))
		bomb = strings.ReplaceAll(bomb, "*P", "*"+string(c-1))
	}
	if _, err := Parse(context.Background(), ParseArgs{Text: bomb}); err == nil || !strings.Contains(err.Error(), "excessive aliasing") {
		t.Error(err)
	}
}
