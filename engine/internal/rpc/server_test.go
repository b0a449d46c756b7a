package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

type echo struct {
	Text string `json:"text"`
}

// parent is the other end of a served pair of pipes.
type parent struct {
	t   *testing.T
	in  io.WriteCloser
	out io.Reader
	end chan error
}

func serve(t *testing.T, parallel int, verbs map[string]Handler) parent {
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	p := parent{t, inWrite, outRead, make(chan error, 1)}
	go func() {
		p.end <- NewServer(verbs, parallel, outWrite).Serve(inRead)
		outWrite.Close()
	}()
	return p
}

func (p parent) send(id uint64, verb, args string) {
	p.t.Helper()
	body, _ := json.Marshal(Request{ID: id, Verb: verb, Args: json.RawMessage(args)})
	if err := WriteFrame(p.in, body); err != nil {
		p.t.Fatal(err)
	}
}

func (p parent) receive() Reply {
	p.t.Helper()
	body, err := ReadFrame(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	var reply Reply
	if err := json.Unmarshal(body, &reply); err != nil {
		p.t.Fatal(err)
	}
	return reply
}

func TestCalls(t *testing.T) {
	entered := make(chan bool)
	p := serve(t, 1, map[string]Handler{
		"echo":  Verb(func(_ context.Context, args echo) (echo, error) { return args, nil }),
		"fail":  Verb(func(context.Context, echo) (echo, error) { return echo{}, errors.New("no luck") }),
		"panic": Verb(func(context.Context, echo) (echo, error) { panic("oh") }),
		"wait": Verb(func(ctx context.Context, _ echo) (echo, error) {
			entered <- true
			<-ctx.Done()
			return echo{}, ctx.Err()
		}),
	})
	for _, c := range []struct{ verb, args, result, err string }{
		{"echo", `{"text": "<&>"}`, `{"text":"<&>"}`, ""},
		{"echo", `{"txet": "a"}`, "", "unknown field"},
		{"echo", `[]`, "", "arguments: "},
		{"fail", `{}`, "", "no luck"},
		{"panic", `{}`, "", "internal error: oh"},
		{"nope", `{}`, "", `no verb "nope"`},
	} {
		p.send(1, c.verb, c.args)
		reply := p.receive()
		if string(reply.Result) != c.result || !strings.Contains(reply.Error, c.err) || (c.err == "") != (reply.Error == "") {
			t.Errorf("%s %s: %s, %s", c.verb, c.args, reply.Result, reply.Error)
		}
	}
	// One slot: the second call waits for it, and both can be cancelled.
	p.send(2, "wait", `{}`)
	<-entered
	p.send(3, "echo", `{}`)
	p.send(3, "cancel", `null`)
	if reply := p.receive(); reply.ID != 3 || reply.Error != context.Canceled.Error() {
		t.Errorf("%+v", reply)
	}
	p.send(2, "cancel", `null`)
	if reply := p.receive(); reply.ID != 2 || reply.Error != context.Canceled.Error() {
		t.Errorf("%+v", reply)
	}
	p.send(99, "cancel", `null`) // of nothing
	p.in.Close()
	if err := <-p.end; err != nil {
		t.Error(err)
	}
}

func TestBrokenStream(t *testing.T) {
	p := serve(t, 1, nil)
	if err := WriteFrame(p.in, []byte("no JSON")); err != nil {
		t.Fatal(err)
	}
	if err := <-p.end; err == nil {
		t.Error("served on")
	}
}
