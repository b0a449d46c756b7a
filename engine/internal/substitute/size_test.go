package substitute

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A short text may stand for more than the memory holds; it is refused before it is made.
func TestTooLong(t *testing.T) {
	values := map[string]string{"a": strings.Repeat("x", 1_000_000)}
	for _, text := range []string{"${a//x/${a}}", "${u:-" + strings.Repeat("${a}", 10_000) + "}", strings.Repeat("${a}", 100)} {
		if _, err := Text(context.Background(), text, values, false); !errors.Is(err, errTooLong) {
			t.Errorf("%.20s: %v", text, err)
		}
	}
}
