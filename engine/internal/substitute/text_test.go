package substitute

import (
	"context"
	"strings"
	"testing"

	"github.com/drone/envsubst"
)

// The rows of source-kustomize.md 8.6 (SK25), and what follows from them.
func TestDialect(t *testing.T) {
	values := map[string]string{
		"A": "value", "E": "", "U": "größe", "P": "path/to/file.tar.gz", "N": "2", "M": "-1", "1A": "digit first", "Q": `a/b\c`,
	}
	for _, c := range []struct{ in, out, err string }{
		{in: "$A $(cmd) $", out: "$A $(cmd) $"},
		{in: "$${A}", out: "${A}"},
		{in: "$$ $$A $$$${A}", out: "$ $A $${A}"},
		{in: "$$${A}", out: "$value"},
		{in: `\\ \/ \$`, out: `\\ \/ \$`},
		{in: "x${A}y${A}z", out: "xvalueyvaluez"},
		{in: "${X:-d}${X:=d}${X=d}", out: "ddd"},
		{in: "${E:-d}${E:=d}${E=d}", out: "ddd"},
		{in: "${A:-d}${A:=d}${A=d}", out: "valuevaluevalue"},
		{in: "${X:+alt} ${X:?msg} ${A:+alt} ${A:?msg}", out: "alt msg value value"},
		{in: "${X:=}${X:-}", out: ""},
		{in: "${X-d}", err: "missing closing brace"},
		{in: "${A.b}", err: "missing closing brace"},
		{in: "${A B}", err: "missing closing brace"},
		{in: "${A@Q}", err: "missing closing brace"},
		{in: "${A", err: "missing closing brace"},
		{in: "${AUTH[@]}", err: "missing closing brace"},
		{in: "${}", err: "unable to parse variable name"},
		{in: "${", err: "unable to parse variable name"},
		{in: "${A/l}", err: "bad substitution"},
		{in: "${A:}", err: "unable to parse substitution within function"},
		{in: "${A:1} ${A:1:2} ${#A}", out: "alue al 5"},
		{in: "${A: -2}", out: "value"},
		{in: "${#U}", out: "7"},
		{in: "${A:9} ${A:9:1} ${A:2:99}", out: "  lue"},
		{in: "${A:${N}} ${A:${M}}", out: "lue e"},
		{in: "${A:1:${M}}", err: "negative length in substring"},
		{in: "${A^} ${A^^} ${U^^} ${A,} ${A,,}", out: "Value VALUE GRÖßE value value"},
		{in: "${P#*/} ${P##*/} ${P%.*} ${P%%.*}", out: "to/file.tar.gz file.tar.gz path/to/file.tar path/to/file"},
		{in: "${P#nothing} ${P#[} ${P#p[a-c]?h}", out: "path/to/file.tar.gz path/to/file.tar.gz /to/file.tar.gz"},
		{in: "${A/l/L} ${P//t/T} ${A/#v/V} ${A/%e/E}", out: "vaLue paTh/To/file.Tar.gz Value valuE"},
		{in: `${P/\//-} ${P//\//-} ${Q/\\/-}`, out: `path-to/file.tar.gz path-to-file.tar.gz a/b-c`},
		{in: "${A/l/} ${A/#/pre-} ${A/%/-post}", out: "vaue pre-value value-post"},
		{in: "${X:-${A}} ${X:-a${A}b}", out: "value avalueb"},
		{in: "${X:-a}b}", out: "ab}"},
		{in: "${1A}", out: "digit first"},
		{in: "${X}", err: `variable not set (strict mode): "X"`},
		{in: "${#X}", err: `variable not set (strict mode): "X"`},
		{in: "${X^^}", err: `variable not set (strict mode): "X"`},
		{in: "${A:-${X}}", err: `variable not set (strict mode): "X"`},
		{in: "${E}", out: ""},
		{in: strings.Repeat("${X:-", 100) + strings.Repeat("}", 100), err: "substitutions are nested too deep"},
	} {
		out, err := Text(context.Background(), c.in, values, true)
		if c.err != "" && (err == nil || err.Error() != c.err) || c.err == "" && err != nil || out != c.out {
			t.Errorf("%q: got %q, %v; want %q, %q", c.in, out, err, c.out, c.err)
		}
	}
	if out, err := Text(context.Background(), "a${X}b", values, false); err != nil || out != "ab" {
		t.Errorf("lenient: %q, %v", out, err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	values := map[string]string{"A": strings.Repeat("x", 1<<20)}
	if _, err := Text(context.Background(), strings.Repeat("${A}", 100), values, true); err != errTooLong {
		t.Fatal(err)
	}
}

// FuzzAgreement compares with the library that the dialect comes from, where that is not known to differ: it treats
// backslashes in plain text, knows no empty pattern, panics on negative lengths, stops at NUL and splits characters.
func FuzzAgreement(f *testing.F) {
	for _, seed := range []string{"${A:-${B}}x", "$${A}", "${A/a/b}", "${A##*/}", "${A:1:2}", "${#A}", "${A^^}", "${X:-a}b}", "${A%[a-b]}"} {
		f.Add(seed, "abc/def", "1")
	}
	f.Fuzz(func(t *testing.T, text, a, b string) {
		for _, input := range []string{text, a, b} {
			if strings.ContainsFunc(input, func(r rune) bool { return r == 0 || r >= 128 }) {
				t.Skip()
			}
		}
		if strings.ContainsAny(text, `\`) || strings.Contains(text, "/") && strings.Contains(text, "${") && hasEmptyPattern(text) {
			t.Skip()
		}
		values := map[string]string{"A": a, "B": b}
		want, wantErr, panicked := original(text, values)
		got, err := Text(context.Background(), text, values, false)
		if panicked || err == errNesting {
			return
		}
		if got != want || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%q (A=%q, B=%q): got %q, %v; the original gives %q, %v", text, a, b, got, err, want, wantErr)
		}
	})
}

func hasEmptyPattern(text string) bool {
	return strings.Contains(text, "//") || strings.Contains(text, "/#") || strings.Contains(text, "/%")
}

func original(text string, values map[string]string) (out string, err error, panicked bool) {
	defer func() { panicked = recover() != nil }()
	out, err = envsubst.Eval(text, func(name string) string { return values[name] })
	if err != nil {
		out = ""
	}
	return out, err, false
}
