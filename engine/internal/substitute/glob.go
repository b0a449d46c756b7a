package substitute

import (
	"context"
	"unicode/utf8"
)

// token is one element of a glob pattern: a star, or a set of characters that one character must be in.
type token struct {
	star   bool
	ranges [][2]rune
	negate bool
}

// globTokens reads *, ?, [a-z], [^a-z] and \x. ok is false for a malformed pattern, which matches nothing.
func globTokens(pattern string) (tokens []token, ok bool) {
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch runes[i] {
		case '*':
			tokens = append(tokens, token{star: true})
		case '?':
			tokens = append(tokens, token{negate: true}) // in no excluded range: any
		case '[':
			set, end := globSet(runes, i+1)
			if end < 0 {
				return nil, false
			}
			tokens = append(tokens, set)
			i = end
		case '\\':
			if i++; i == len(runes) {
				return nil, false
			}
			fallthrough
		default:
			tokens = append(tokens, token{ranges: [][2]rune{{runes[i], runes[i]}}})
		}
	}
	return tokens, true
}

// globSet reads after "[" and gives the index of "]", or -1.
func globSet(runes []rune, i int) (set token, end int) {
	if i < len(runes) && runes[i] == '^' {
		set.negate = true
		i++
	}
	one := func() (rune, bool) {
		if i < len(runes) && runes[i] == '\\' {
			i++
		} else if i < len(runes) && (runes[i] == '-' || runes[i] == ']') {
			return 0, false
		}
		if i++; i >= len(runes) { // something must follow, "]" at least
			return 0, false
		}
		return runes[i-1], true
	}
	for {
		if i < len(runes) && runes[i] == ']' && len(set.ranges) > 0 {
			return set, i
		}
		low, ok := one()
		if !ok {
			return set, -1
		}
		high := low
		if runes[i] == '-' {
			i++
			if high, ok = one(); !ok {
				return set, -1
			}
		}
		set.ranges = append(set.ranges, [2]rune{low, high})
	}
}

func (t token) matches(r rune) bool {
	for _, bounds := range t.ranges {
		if bounds[0] <= r && r <= bounds[1] {
			return !t.negate
		}
	}
	return t.negate
}

// trimPrefix cuts the shortest or longest non-empty prefix that the pattern matches; "*" and "?" match "/" too. One pass:
// `active` are the tokens that may come next, so neither pattern nor value can make it slow beyond their product.
func trimPrefix(ctx context.Context, value, pattern string, longest bool) (string, error) {
	tokens, ok := globTokens(pattern)
	if !ok {
		return value, nil
	}
	cut := 0
	active, next := make([]bool, len(tokens)+1), make([]bool, len(tokens)+1)
	activate(active, tokens, 0)
	for pos := 0; pos < len(value); {
		if pos&0xfff == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		r, size := utf8.DecodeRuneInString(value[pos:])
		pos += size
		clear(next)
		for i, on := range active[:len(tokens)] {
			switch {
			case !on:
			case tokens[i].star:
				activate(next, tokens, i)
			case tokens[i].matches(r):
				activate(next, tokens, i+1)
			}
		}
		active, next = next, active
		if active[len(tokens)] {
			if cut = pos; !longest {
				break
			}
		}
	}
	return value[cut:], nil
}

// activate marks token i, and what follows if it is a star that matches nothing.
func activate(set []bool, tokens []token, i int) {
	for !set[i] {
		set[i] = true
		if i == len(tokens) || !tokens[i].star {
			return
		}
		i++
	}
}
