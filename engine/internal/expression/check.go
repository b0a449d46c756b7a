package expression

import "context"

// CheckArgs are the arguments of the verb cel.check.
type CheckArgs struct {
	Expressions []string `json:"expressions"`
	Variables   []string `json:"variables"`
	Output      string   `json:"output"`  // the type the expressions must give: bool, string; "": any
	Checked     bool     `json:"checked"` // types and variables too, not only the syntax
}

// CheckResult has the message of each expression, "" for a good one.
type CheckResult struct {
	Errors []string `json:"errors"`
}

// Check is the verb cel.check.
func Check(_ context.Context, args CheckArgs) (CheckResult, error) {
	result := CheckResult{Errors: make([]string, len(args.Expressions))}
	for i, text := range args.Expressions {
		if _, err := program(text, args.Variables, args.Output, args.Checked); err != nil {
			result.Errors[i] = err.Error()
		}
	}
	return result, nil
}
