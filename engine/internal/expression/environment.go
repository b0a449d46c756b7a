// Package expression evaluates CEL with the functions that Flux's expressions may use.
package expression

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

// maxCost bounds one evaluation, in CEL's own units (roughly: steps). Checks of objects need some hundreds.
const maxCost = 1_000_000

// program compiles an expression whose variables may hold anything. Parsed only, an unknown variable is an error when the
// evaluation meets it; checked, at once.
func program(text string, variables []string, output string, checked bool) (cel.Program, error) {
	options := []cel.EnvOption{
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Sets(),
		ext.Encoders(),
	}
	for _, name := range variables {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("CEL environment: %w", err)
	}
	parse := env.Parse
	if checked {
		parse = env.Compile
	}
	ast, issues := parse(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("failed to parse the CEL expression '%s': %w", text, issues.Err())
	}
	if kind := ast.OutputType(); checked && output != "" && kind.String() != output && kind.String() != "dyn" {
		return nil, fmt.Errorf("the CEL expression '%s' gives %s, not %s", text, kind, output)
	}
	return env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(1000))
}

// decode gives JSON the types that Kubernetes objects have: whole numbers are int64.
func decode(content json.RawMessage) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(content)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return withNumbers(value), nil
}

func withNumbers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			value[key] = withNumbers(item)
		}
	case []any:
		for i, item := range value {
			value[i] = withNumbers(item)
		}
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return whole
		}
		number, _ := value.Float64()
		return number
	}
	return value
}
