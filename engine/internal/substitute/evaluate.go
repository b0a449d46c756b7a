package substitute

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxOutput bounds the text of one object after substitution, in bytes: a long value may be named many times.
const maxOutput = 32 << 20

var errTooLong = fmt.Errorf("the result is larger than %d bytes", maxOutput)

// evaluator puts values in the place of expressions.
type evaluator struct {
	ctx    context.Context
	values map[string]string
	strict bool // a variable without value and default is an error, not ""
}

// Text substitutes the variables of one text.
func Text(ctx context.Context, text string, values map[string]string, strict bool) (string, error) {
	parts, err := parse(text)
	if err != nil {
		return "", err
	}
	e := evaluator{ctx, values, strict}
	var out strings.Builder
	for _, p := range parts {
		value, err := e.value(p)
		if err != nil {
			return "", err
		}
		if out.Len()+len(value) > maxOutput {
			return "", errTooLong
		}
		out.WriteString(value)
	}
	return out.String(), nil
}

func (e evaluator) value(p part) (string, error) {
	if p.name == "" {
		return p.text, nil
	}
	args := make([]string, len(p.args))
	for i, arg := range p.args {
		var err error
		if args[i], err = e.value(arg); err != nil {
			return "", err
		}
	}
	value, exists := e.values[p.name]
	if !exists && e.strict && p.op != "default" {
		return "", fmt.Errorf("variable not set (strict mode): %q", p.name)
	}
	return apply(e.ctx, p.op, value, args)
}

func apply(ctx context.Context, op, value string, args []string) (string, error) {
	switch op {
	case "default":
		if value == "" {
			return joined(args)
		}
	case "length":
		return strconv.Itoa(len(value)), nil
	case "slice":
		return slice(value, args)
	case ",":
		return changeFirst(value, unicode.ToLower), nil
	case ",,":
		return strings.ToLower(value), nil
	case "^":
		return changeFirst(value, unicode.ToUpper), nil
	case "^^":
		return strings.ToUpper(value), nil
	case "/":
		return strings.Replace(value, args[0], args[1], 1), nil
	case "//":
		return replacedAll(value, args[0], args[1])
	case "/#":
		if rest, found := strings.CutPrefix(value, args[0]); found {
			return args[1] + rest, nil
		}
	case "/%":
		if rest, found := strings.CutSuffix(value, args[0]); found {
			return rest + args[1], nil
		}
	case "#", "##":
		return trimPrefix(ctx, value, args[0], op == "##")
	case "%", "%%":
		rest, err := trimPrefix(ctx, reversed(value), reversed(args[0]), op == "%%")
		return reversed(rest), err
	}
	return value, nil // also for ",^" and "^,", which mean nothing
}

// joined and replacedAll look at the size before they make the text: it may be a thousand times what fits into memory.
func joined(parts []string) (string, error) {
	size := 0
	for _, part := range parts {
		if size += len(part); size > maxOutput {
			return "", errTooLong
		}
	}
	return strings.Join(parts, ""), nil
}

func replacedAll(text, old, replacement string) (string, error) {
	if len(text)+strings.Count(text, old)*(len(replacement)-len(old)) > maxOutput {
		return "", errTooLong
	}
	return strings.ReplaceAll(text, old, replacement), nil
}

func changeFirst(value string, change func(rune) rune) string {
	if value == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(value)
	return string(change(first)) + value[size:]
}

// slice counts bytes. Numbers that are none leave the value as it is.
func slice(value string, args []string) (string, error) {
	offset, err := strconv.Atoi(args[0])
	if err != nil {
		return value, nil
	}
	if offset < 0 {
		offset = max(0, len(value)+offset)
	}
	rest := value[min(offset, len(value)):]
	if len(args) == 1 {
		return rest, nil
	}
	length, err := strconv.Atoi(args[1])
	switch {
	case err != nil:
		return value, nil
	case length < 0 && offset+length < len(value):
		return "", errors.New("negative length in substring")
	}
	return rest[:max(0, min(length, len(rest)))], nil
}

func reversed(text string) string {
	runes := []rune(text)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}
