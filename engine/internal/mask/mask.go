// Package mask keeps secrets out of error messages: libraries quote what they could not read.
package mask

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// shortest is the length of a text that is worth hiding; shorter ones would hide half the message.
const shortest = 4

// Error replaces each of the texts in the message with ***.
func Error(err error, texts ...string) error {
	message := Text(err.Error(), texts...)
	if message == err.Error() {
		return err
	}
	return errors.New(message)
}

// Text replaces each of the secrets in the message with ***.
func Text(message string, secrets ...string) string {
	for _, secret := range secrets {
		if secret = strings.TrimSpace(secret); len(secret) >= shortest {
			message = strings.ReplaceAll(message, secret, "***")
		}
	}
	return message
}

// Leaves gives the texts and numbers in a document, the longest first.
func Leaves(document any) []string {
	var found []string
	var walk func(any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for _, inner := range value {
				walk(inner)
			}
		case []any:
			for _, inner := range value {
				walk(inner)
			}
		case nil, bool:
		default:
			found = append(found, fmt.Sprint(value))
		}
	}
	walk(document)
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(found)
}

// Lines gives the lines of a document and the values in them (`key: value`, `key=value`), longest parts first.
func Lines(document []byte) []string {
	var lines, values []string
	for line := range strings.Lines(string(document)) {
		lines = append(lines, line)
		if at := strings.IndexAny(line, ":="); at >= 0 {
			values = append(values, strings.Trim(line[at+1:], " \t\r\n\"'"))
		}
	}
	return append(lines, values...)
}

// Words gives the texts and the words in them, as YAML would take these apart.
func Words(texts ...string) []string {
	words := slices.Clone(texts)
	for _, text := range texts {
		words = append(words, strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n[]{},*&!:'\"", r) })...)
	}
	return words
}
