package semver

import (
	"context"
	"slices"
	"testing"
)

func TestSelect(t *testing.T) {
	tags := []string{"1.0.0", "v1.2.3", "1.2", "1.10.0", "2.0.0-rc.1", "latest", "1.2.3+b2", "1.2.3+b1", "01.1.1"}
	for _, c := range []struct {
		wanted, parse string
		matches       []string
	}{
		{"1.x", "dotted", []string{"1.10.0", "v1.2.3", "1.2.3+b2", "1.2.3+b1", "01.1.1", "1.0.0"}},
		{"~1.2", "lenient", []string{"v1.2.3", "1.2.3+b2", "1.2.3+b1", "1.2"}},
		{">=1.0.0 <2.0.0", "strict", []string{"1.10.0", "1.2.3+b2", "1.2.3+b1", "1.0.0"}},
		{">=2.0.0-0", "strict", []string{"2.0.0-rc.1"}},
		{"*", "strict", []string{"1.10.0", "1.2.3+b2", "1.2.3+b1", "1.0.0"}},
		{"^9", "", []string{}},
	} {
		got, err := Select(context.Background(), SelectArgs{c.wanted, tags, c.parse})
		if err != nil || !slices.Equal(got.Matches, c.matches) {
			t.Errorf("%s %s: got %q, %v; want %q", c.wanted, c.parse, got.Matches, err, c.matches)
		}
	}
	if _, err := Select(context.Background(), SelectArgs{Range: "x.y.z.w"}); err == nil {
		t.Error("a bad range passed")
	}
}

func FuzzSelect(f *testing.F) {
	f.Add(">=1.0 <2 || ~3.1", "1.2.3")
	f.Fuzz(func(t *testing.T, wanted, version string) {
		for _, parse := range []string{"lenient", "dotted", "strict"} {
			got, err := Select(context.Background(), SelectArgs{wanted, []string{version, version}, parse})
			if err == nil && len(got.Matches) == 1 {
				t.Fatalf("equal versions, different verdicts: %q %q", wanted, version)
			}
		}
	})
}
