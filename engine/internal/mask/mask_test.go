package mask

import (
	"errors"
	"testing"
)

func TestMask(t *testing.T) {
	err := errors.New(`line "PASSWORD=hunter2" is bad: hunter2 in abc`)
	if got := Error(err, Lines([]byte("A=abc\nPASSWORD=hunter2\n"))...).Error(); got != `line "***" is bad: *** in abc` {
		t.Error(got)
	}
	if got := Error(err, Words("{a: *hunter2}", "abc")...).Error(); got != `line "PASSWORD=***" is bad: *** in abc` {
		t.Error(got)
	}
	if Error(err, "no", "nothing") != err {
		t.Error("an error without secrets changed")
	}
}
