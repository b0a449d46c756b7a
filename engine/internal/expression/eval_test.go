package expression

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

func TestEval(t *testing.T) {
	object := map[string]json.RawMessage{
		"metadata": json.RawMessage(`{"generation": 3, "name": "a"}`),
		"status":   json.RawMessage(`{"observedGeneration": 3, "conditions": [{"type": "Ready", "status": "True"}], "ratio": 0.5}`),
	}
	for _, c := range []struct{ text, value, err string }{
		{text: "status.observedGeneration == metadata.generation", value: "true"},
		{text: "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')", value: "true"},
		{text: "status.conditions.exists(e, e.type == 'Stalled')", value: "false"},
		{text: "metadata.name.upperAscii()", value: `"A"`},
		{text: "status.ratio > 0", value: "true"},
		{text: "has(status.other)", value: "false"},
		{text: "status.?other.orValue('x')", value: `"x"`},
		{text: "sets.contains([1, 2], [2])", value: "true"},
		{text: "status.missing", err: "no such key: missing"},
		{text: "spec.x", err: "no such attribute"},
		{text: "status.", err: "Syntax error"},
		{text: "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, " +
			"[1,2,3,4,5,6,7,8,9].all(e, [1,2,3,4,5,6,7,8,9].all(f, a+b+c+d+e+f > 0))))))", err: "cost limit exceeded"},
	} {
		got, err := Eval(context.Background(), EvalArgs{Expressions: []string{c.text}, Variables: object})
		if err != nil {
			t.Fatal(err)
		}
		value := got.Values[0]
		if string(value.Value) != c.value || (c.err == "") != (value.Error == "") || !strings.Contains(value.Error, c.err) {
			t.Errorf("%s: %s, %s", c.text, value.Value, value.Error)
		}
	}
}

func TestCheck(t *testing.T) {
	args := CheckArgs{[]string{"self.x == dep.y", "'text'", "self.x ==", "other.x == 1"}, []string{"self", "dep"}, "bool", true}
	got, err := Check(context.Background(), args)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "not bool", "Syntax error", "undeclared reference"} {
		if (want == "") != (got.Errors[i] == "") || !strings.Contains(got.Errors[i], want) {
			t.Errorf("%s: %s", args.Expressions[i], got.Errors[i])
		}
	}
}
