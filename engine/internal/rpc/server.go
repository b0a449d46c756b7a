package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"fleetloop.dev/engine/internal/depth"
)

// maxWaiting bounds the calls that are accepted and not yet answered, so that a parent gone wild cannot fill the memory.
const maxWaiting = 4096

// Handler is a verb without its types.
type Handler func(ctx context.Context, args json.RawMessage) (json.RawMessage, error)

// Verb gives a typed function the shape of a Handler. Unknown argument names are errors: they are misspelt ones.
func Verb[Args, Result any](run func(context.Context, Args) (Result, error)) Handler {
	return func(ctx context.Context, raw json.RawMessage) (json.RawMessage, error) {
		var args Args
		if len(raw) > 0 {
			decoder := json.NewDecoder(bytes.NewReader(raw))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&args); err != nil {
				return nil, fmt.Errorf("arguments: %w", err)
			}
		}
		result, err := run(ctx, args)
		if err != nil {
			return nil, err
		}
		content, err := encode(result)
		if err != nil {
			return nil, err
		}
		return content, depth.Check(content)
	}
}

// encode leaves <, > and & as they are.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// Server answers the calls of one parent.
type Server struct {
	verbs   map[string]Handler
	slots   chan struct{} // one for each verb that runs
	started chan struct{} // a note that a verb began, at most one

	writing sync.Mutex
	out     io.Writer

	mu        sync.Mutex
	cancels   map[uint64]context.CancelFunc
	questions map[uint64]chan Request // open ones, by their answer's ID
	asked     uint64
}

// NewServer runs at most `parallel` verbs at a time; further calls wait for a slot.
func NewServer(verbs map[string]Handler, parallel int, out io.Writer) *Server {
	return &Server{
		verbs:   verbs,
		slots:   make(chan struct{}, parallel),
		started: make(chan struct{}, 1),
		out:     out,
		cancels: map[uint64]context.CancelFunc{},

		questions: map[uint64]chan Request{},
	}
}

// Busy waits until a verb runs, and tells at once while one does: for a watch that costs nothing at rest.
func (s *Server) Busy() {
	if len(s.slots) == 0 {
		<-s.started
	}
}

// Serve reads calls until the stream ends, then cancels what still runs and returns without waiting for it: the process
// is about to end. A broken frame is an error, since nothing after it can be understood.
func (s *Server) Serve(in io.Reader) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		body, err := ReadFrame(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a call: %w", err)
		}
		var request Request
		if err := json.Unmarshal(body, &request); err != nil {
			return fmt.Errorf("decode a call: %w", err)
		}
		s.accept(ctx, request)
	}
}

func (s *Server) accept(ctx context.Context, request Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if request.Verb == "cancel" {
		if cancel, ok := s.cancels[request.ID]; ok {
			cancel()
		}
		return
	}
	if request.Verb == "answer" {
		if question, ok := s.questions[request.ID]; ok {
			delete(s.questions, request.ID)
			question <- request // buffered: one answer a question
		}
		return
	}
	if len(s.cancels) >= maxWaiting {
		s.answer(Reply{ID: request.ID, Error: fmt.Sprintf("more than %d calls in flight", maxWaiting)})
		return
	}
	callCtx, cancel := context.WithCancel(ctx)
	s.cancels[request.ID] = cancel
	go func() { // owned by the call: ends with its answer
		result, err := s.run(callCtx, request)
		s.forget(request.ID)
		if err != nil {
			s.answer(Reply{ID: request.ID, Error: err.Error()})
			return
		}
		s.answer(Reply{ID: request.ID, Result: result})
	}()
}

func (s *Server) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancels[id]()
	delete(s.cancels, id)
}

func (s *Server) run(ctx context.Context, request Request) (result json.RawMessage, err error) {
	handler, ok := s.verbs[request.Verb]
	if !ok {
		return nil, fmt.Errorf("no verb %q here", request.Verb)
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case s.started <- struct{}{}:
	default:
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%s: internal error: %v", request.Verb, cause)
			debug.PrintStack()
		}
	}()
	return handler(context.WithValue(ctx, asker{}, asker{s, request.ID}), request.Args)
}

// asker is how a verb reaches the parent that called it.
type asker struct {
	server *Server
	call   uint64
}

// Ask puts a question to the parent of the call that ctx belongs to, and waits for the answer. The slot of the call is free
// meanwhile: what the world takes its time for must not keep other calls waiting.
func Ask[Result any](ctx context.Context, verb string, args any) (Result, error) {
	var result Result
	self, ok := ctx.Value(asker{}).(asker)
	if !ok {
		return result, errors.New("no parent to ask")
	}
	answer, err := self.server.ask(ctx, self.call, verb, args)
	if err != nil {
		return result, err
	}
	if answer.Error != "" {
		return result, errors.New(answer.Error)
	}
	if len(answer.Result) == 0 {
		return result, nil
	}
	return result, json.Unmarshal(answer.Result, &result)
}

func (s *Server) ask(ctx context.Context, call uint64, verb string, args any) (Request, error) {
	reply := make(chan Request, 1)
	s.mu.Lock()
	s.asked++
	id := s.asked
	s.questions[id] = reply
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.questions, id)
		s.mu.Unlock()
	}()
	body, err := encode(Question{ID: call, Question: id, Verb: verb, Args: args})
	if err != nil {
		return Request{}, err
	}
	s.write(body)
	<-s.slots
	defer func() { s.slots <- struct{}{} }()
	select {
	case answer := <-reply:
		return answer, nil
	case <-ctx.Done():
		return Request{}, ctx.Err()
	}
}

func (s *Server) answer(reply Reply) {
	body, err := encode(reply)
	if err == nil && len(body) > MaxFrame {
		err = fmt.Errorf("result of %d bytes is larger than the limit of %d", len(body), MaxFrame)
	}
	if err != nil {
		body, _ = encode(Reply{ID: reply.ID, Error: err.Error()})
	}
	s.write(body)
}

func (s *Server) write(body []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = WriteFrame(s.out, body) // a parent that is gone closes our input too
}
