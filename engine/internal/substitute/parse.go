package substitute

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The messages are part of the contract: people search for them.
var (
	errSubstitution = errors.New("bad substitution")
	errClosingBrace = errors.New("missing closing brace")
	errName         = errors.New("unable to parse variable name")
	errParameter    = errors.New("unable to parse substitution within function")
	errDefault      = errors.New("unable to parse default function")
	errNesting      = errors.New("substitutions are nested too deep")
)

// maxNesting bounds ${A:-${B:-...}}, which is read by recursion.
const maxNesting = 64

// part is a piece of a template: text, or an expression when name is set.
type part struct {
	text string
	name string
	op   string // "" for the plain value
	args []part // of "=" and its like: any number, put side by side
}

// parser reads the dialect of source-kustomize.md 8.6 (⚠ 25), which looks like bash and is not: what ends a parameter
// depends on the operator alone, and braces are not counted.
type parser struct {
	text  string
	pos   int
	depth int
}

func parse(text string) ([]part, error) {
	p := &parser{text: text}
	var parts []part
	for p.pos < len(p.text) {
		if p.takes("${") {
			expression, err := p.expression()
			if err != nil {
				return nil, err
			}
			parts = append(parts, expression)
			continue
		}
		parts = append(parts, part{text: p.plain()})
	}
	return parts, nil
}

// plain reads up to the next expression. "$$" is a "$" that starts none; backslashes mean nothing here.
func (p *parser) plain() string {
	var out strings.Builder
	for p.pos < len(p.text) {
		dollar := strings.IndexByte(p.text[p.pos:], '$')
		if dollar < 0 {
			dollar = len(p.text) - p.pos
		}
		out.WriteString(p.text[p.pos : p.pos+dollar])
		p.pos += dollar
		switch {
		case p.sees("${"):
			return out.String()
		case p.takes("$$"), p.takes("$"):
			out.WriteByte('$')
		}
	}
	return out.String()
}

// expression reads what follows "${".
func (p *parser) expression() (part, error) {
	if p.depth++; p.depth > maxNesting {
		return part{}, errNesting
	}
	defer func() { p.depth-- }()
	if p.sees("#") {
		return p.length()
	}
	e := part{name: p.identifier()}
	if e.name == "" {
		return e, errName
	}
	switch p.peek() {
	case ':':
		if strings.ContainsRune("=-?+", p.peekSecond()) {
			return p.fallback(e)
		}
		return p.slice(e)
	case '=':
		return p.fallback(e)
	case ',', '^':
		e.op = p.run(",^", 2)
		return e, p.close(errSubstitution)
	case '/':
		return p.replacement(e)
	case '#':
		return p.trim(e, "#")
	case '%':
		return p.trim(e, "%")
	}
	return e, p.close(errClosingBrace)
}

// length reads ${#name}.
func (p *parser) length() (part, error) {
	p.pos++
	e := part{op: "length", name: p.identifier()}
	if e.name == "" {
		return e, errSubstitution
	}
	return e, p.close(errSubstitution)
}

// fallback reads ${name=word} and ${name:-word} and their like; word may hold expressions.
func (p *parser) fallback(e part) (part, error) {
	e.op = "default"
	if !p.takes("=") {
		p.pos += 2 // ":" and the second character, which has been seen
	}
	for p.peek() != '}' {
		arg, err := p.parameter("}", false)
		if err != nil {
			return e, err
		}
		e.args = append(e.args, arg)
	}
	return e, p.close(errDefault)
}

// slice reads ${name:offset} and ${name:offset:length}.
func (p *parser) slice(e part) (part, error) {
	if second := p.peekSecond(); second == 0 || second >= utf8.RuneSelf {
		return e, errSubstitution
	}
	e.op = "slice"
	p.pos++
	offset, err := p.parameter(":}", false)
	if err != nil {
		return e, err
	}
	e.args = append(e.args, offset)
	if p.takes("}") {
		return e, nil
	}
	if p.run(":", len(p.text)) == "" {
		return e, errSubstitution
	}
	length, err := p.parameter("}", false)
	if err != nil {
		return e, err
	}
	e.args = append(e.args, length)
	return e, p.close(errSubstitution)
}

// trim reads ${name#pattern}, ## % and %%.
func (p *parser) trim(e part, sign string) (part, error) {
	e.op = p.run(sign, 2)
	pattern, err := p.parameter("}", false)
	if err != nil {
		return e, err
	}
	e.args = append(e.args, pattern)
	return e, p.close(errSubstitution)
}

// replacement reads ${name/old/new}, // /# and /%. In it "\/", "\\" and "$$" stand for one character.
func (p *parser) replacement(e part) (part, error) {
	e.op = p.run("/", 1) + p.run("/#%", 1)
	var old part
	if !p.sees("/") { // an empty one adds at the start or the end
		var err error
		if old, err = p.parameter("/", true); err != nil {
			return e, err
		}
	}
	e.args = append(e.args, old)
	if p.run("/", len(p.text)) == "" {
		return e, errSubstitution
	}
	if p.takes("}") {
		e.args = append(e.args, part{})
		return e, nil
	}
	replacement, err := p.parameter("}", true)
	if err != nil {
		return e, err
	}
	e.args = append(e.args, replacement)
	return e, p.close(errSubstitution)
}

// parameter reads one expression, or text up to an expression or one of the characters in `ends`.
func (p *parser) parameter(ends string, escapes bool) (part, error) {
	if p.takes("${") {
		return p.expression()
	}
	var out strings.Builder
	start := p.pos
	for p.pos < len(p.text) && !p.sees("${") {
		c := p.text[p.pos]
		if escapes && (p.sees(`\/`) || p.sees(`\\`) || p.sees("$$")) {
			p.pos++
			c = p.text[p.pos]
		} else if strings.IndexByte(ends, c) >= 0 {
			break
		}
		out.WriteByte(c)
		p.pos++
	}
	if p.pos == start {
		return part{}, errParameter
	}
	return part{text: out.String()}, nil
}

func (p *parser) identifier() string {
	rest := p.text[p.pos:]
	end := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	if end < 0 {
		end = len(rest)
	}
	p.pos += end
	return rest[:end]
}

// run reads up to `most` characters out of `set`.
func (p *parser) run(set string, most int) string {
	start := p.pos
	for p.pos < len(p.text) && p.pos-start < most && strings.IndexByte(set, p.text[p.pos]) >= 0 {
		p.pos++
	}
	return p.text[start:p.pos]
}

func (p *parser) close(otherwise error) error {
	if p.takes("}") {
		return nil
	}
	return otherwise
}

func (p *parser) sees(prefix string) bool { return strings.HasPrefix(p.text[p.pos:], prefix) }

func (p *parser) takes(prefix string) bool {
	if !p.sees(prefix) {
		return false
	}
	p.pos += len(prefix)
	return true
}

func (p *parser) peek() rune {
	if p.pos >= len(p.text) {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return r
}

func (p *parser) peekSecond() rune {
	if p.pos+1 >= len(p.text) {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos+1:])
	return r
}
