package expression

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"
)

// EvalArgs are the arguments of the verb cel.eval.
type EvalArgs struct {
	Expressions []string                   `json:"expressions"`
	Variables   map[string]json.RawMessage `json:"variables"`
	Output      string                     `json:"output"`  // as in cel.check
	Checked     bool                       `json:"checked"` // as in cel.check
}

// Value is what an expression gave, or why it gave nothing.
type Value struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

// EvalResult has a value for each expression.
type EvalResult struct {
	Values []Value `json:"values"`
}

// Eval is the verb cel.eval: several expressions over the same variables, so that one object is sent once.
func Eval(ctx context.Context, args EvalArgs) (EvalResult, error) {
	variables := make(map[string]any, len(args.Variables))
	for name, content := range args.Variables {
		value, err := decode(content)
		if err != nil {
			return EvalResult{}, fmt.Errorf("variable %s: %w", name, err)
		}
		variables[name] = value
	}
	result := EvalResult{Values: make([]Value, len(args.Expressions))}
	for i, text := range args.Expressions {
		value, err := evaluate(ctx, text, variables, args)
		if err != nil {
			result.Values[i].Error = err.Error()
			continue
		}
		result.Values[i].Value = value
	}
	return result, nil
}

func evaluate(ctx context.Context, text string, variables map[string]any, args EvalArgs) (json.RawMessage, error) {
	prepared, err := program(text, slices.Collect(maps.Keys(variables)), args.Output, args.Checked)
	if err != nil {
		return nil, err
	}
	value, _, err := prepared.ContextEval(ctx, variables)
	if err != nil {
		return nil, fmt.Errorf("failed to evaluate the CEL expression '%s': %w", text, err)
	}
	if args.Output != "" && value.Type().TypeName() != args.Output {
		return nil, fmt.Errorf("the CEL expression '%s' gave %s, not %s", text, value.Type().TypeName(), args.Output)
	}
	native, err := value.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, fmt.Errorf("the CEL expression '%s' gave %s, which is no JSON: %w", text, value.Type().TypeName(), err)
	}
	return native.(*structpb.Value).MarshalJSON()
}
