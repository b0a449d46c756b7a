package substitute

import "context"

// TextArgs are the arguments of the verb substitute.text.
type TextArgs struct {
	Text      string            `json:"text"`
	Variables map[string]string `json:"variables"`
	Strict    bool              `json:"strict"`
}

// TextResult has the text with values in the place of expressions.
type TextResult struct {
	Text string `json:"text"`
}

// OfText is the verb substitute.text: a text that is no object, for the command line.
func OfText(ctx context.Context, args TextArgs) (TextResult, error) {
	text, err := Text(ctx, args.Text, args.Variables, args.Strict)
	return TextResult{Text: text}, err
}
