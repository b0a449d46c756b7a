package depth

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	for text, good := range map[string]bool{
		nested(Max): true, nested(Max + 1): false, `"` + nested(Max+1) + `"`: true, `{"\"": ` + nested(Max) + `}`: false,
		"[" + strings.TrimSuffix(strings.Repeat("{},", 1000), ",") + "]": true,
	} {
		if err := Check([]byte(text)); (err == nil) != good {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}
