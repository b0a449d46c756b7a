// Package rpc carries calls between a parent process and this worker: length-prefixed JSON frames over two streams,
// many calls in flight, answers matched by id. It knows nothing of what a verb does.
package rpc

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// MaxFrame bounds one frame either way, in bytes. The parent holds the same number.
const MaxFrame = 256 << 20

// Request is a call, or, with Verb "cancel", the wish to end the call of that ID, or, with Verb "answer", what the parent says
// to the question of that ID.
type Request struct {
	ID     uint64          `json:"id"`
	Verb   string          `json:"verb"`
	Args   json.RawMessage `json:"args,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// Question is a call the other way: the verb that serves call ID needs something that only the parent can do.
type Question struct {
	ID       uint64 `json:"id"`
	Question uint64 `json:"question"` // the ID of its answer
	Verb     string `json:"verb"`
	Args     any    `json:"args,omitempty"`
}

// Reply has a result or an error, never both.
type Reply struct {
	ID     uint64          `json:"id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// ReadFrame reads the 4-byte big-endian length and that many bytes. io.EOF means the stream ended between frames.
func ReadFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > MaxFrame {
		return nil, fmt.Errorf("frame of %d bytes is larger than the limit of %d", size, MaxFrame)
	}
	// Grows with what arrives: a false length costs nothing.
	body, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err != nil {
		return nil, err
	}
	if len(body) != int(size) {
		return nil, io.ErrUnexpectedEOF
	}
	return body, nil
}

// WriteFrame writes length and body in one call, so that a writer guarded by a lock never mixes frames.
func WriteFrame(w io.Writer, body []byte) error {
	if len(body) > MaxFrame {
		return fmt.Errorf("frame of %d bytes is larger than the limit of %d", len(body), MaxFrame)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err := w.Write(append(frame, body...))
	return err
}
