package expression

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Any expression ends soon, with a value that is JSON or with an error.
func FuzzEval(f *testing.F) {
	f.Add("self.a == 1")
	f.Add("[1,2,3].all(x, [1,2,3].all(y, x + y > 0))")
	f.Add("'aaaa'.matches('(a*)*b')")
	f.Add("self.?b.orValue('x') + \"\\u0000\"")
	f.Add("[1].map(x, [x,x,x].map(y, [y,y]))")
	f.Fuzz(func(t *testing.T, text string) {
		started := time.Now()
		args := EvalArgs{Expressions: []string{text}, Variables: map[string]json.RawMessage{"self": json.RawMessage(`{"a": 1, "b": ["x"]}`)}}
		got, err := Eval(context.Background(), args)
		if err != nil {
			t.Fatal(err)
		}
		value := got.Values[0]
		if value.Error == "" && !json.Valid(value.Value) {
			t.Errorf("%q gave %s", text, value.Value)
		}
		if taken := time.Since(started); taken > 10*time.Second && !strings.Contains(value.Error, "cost") {
			t.Errorf("%q took %s", text, taken)
		}
	})
}
