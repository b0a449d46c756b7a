// Package message renders the commit messages of image updates: Go templates with sprig's functions that have no side effects.
package message

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

const largest = 1 << 20 // bytes of a message

// RenderArgs are the arguments of the verb message.render.
type RenderArgs struct {
	Template string            `json:"template"`
	Object   NamespacedName    `json:"object"` // the ImageUpdateAutomation
	Values   map[string]string `json:"values"`
	Changes  []FileChange      `json:"changes"` // in the order they were made
}

// FileChange is one value that was set in a file.
type FileChange struct {
	File     string           `json:"file"`
	Object   ObjectIdentifier `json:"object"`
	OldValue string           `json:"old"`
	NewValue string           `json:"new"`
	Setter   string           `json:"setter"`
	Policy   NamespacedName   `json:"policy"`
	Image    Image            `json:"image"`
}

// RenderResult is the message.
type RenderResult struct {
	Text string `json:"text"`
}

// Render is the verb message.render.
func Render(ctx context.Context, args RenderArgs) (RenderResult, error) {
	parsed, err := template.New("commit message").Funcs(sprig.HermeticTxtFuncMap()).Parse(args.Template)
	if err != nil {
		return RenderResult{}, fmt.Errorf("unable to create commit message template from spec: %w", err)
	}
	out := &bounded{ctx: ctx}
	if err := parsed.Execute(out, dataOf(args)); err != nil {
		return RenderResult{}, fmt.Errorf("failed to run template from spec: %w", err)
	}
	return RenderResult{Text: out.text.String()}, nil
}

// bounded ends a template that writes too much, or for too long.
type bounded struct {
	ctx  context.Context
	text strings.Builder
}

func (b *bounded) Write(part []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.text.Len()+len(part) > largest {
		return 0, errors.New("the message is too long")
	}
	return b.text.Write(part)
}
