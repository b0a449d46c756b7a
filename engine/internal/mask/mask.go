// Package mask keeps secrets out of error messages: libraries quote what they could not read.
package mask

import (
	"errors"
	"slices"
	"strings"
)

// shortest is the length of a text that is worth hiding; shorter ones would hide half the message.
const shortest = 4

// Error replaces each of the texts in the message with ***.
func Error(err error, texts ...string) error {
	message := err.Error()
	for _, text := range texts {
		if text = strings.TrimSpace(text); len(text) >= shortest {
			message = strings.ReplaceAll(message, text, "***")
		}
	}
	if message == err.Error() {
		return err
	}
	return errors.New(message)
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
