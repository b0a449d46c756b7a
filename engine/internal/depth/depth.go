// Package depth bounds the nesting of JSON: readers use recursion, and some end the process when it gets too deep.
package depth

import "fmt"

// Max is deeper than any real object: the deepest CRDs known have some 60 levels.
const Max = 200

// Check goes over JSON without recursion. What is no JSON passes: others have the better message.
func Check(content []byte) error {
	depth, inString, escaped := 0, false, false
	for _, c := range content {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > Max {
				return fmt.Errorf("nested deeper than %d levels", Max)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
