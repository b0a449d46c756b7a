package rpc

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
)

func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := bytes.NewReader(stream)
		for {
			body, err := ReadFrame(in)
			if err != nil {
				return
			}
			var again bytes.Buffer
			if err := WriteFrame(&again, body); err != nil {
				t.Fatal(err)
			}
			if second, err := ReadFrame(&again); err != nil || !bytes.Equal(second, body) {
				t.Fatalf("%q became %q, %v", body, second, err)
			}
		}
	})
}

func TestFalseLengths(t *testing.T) {
	long := binary.BigEndian.AppendUint32(nil, MaxFrame+1)
	if _, err := ReadFrame(bytes.NewReader(long)); err == nil || err == io.EOF {
		t.Errorf("too long: %v", err)
	}
	short := append(binary.BigEndian.AppendUint32(nil, MaxFrame), "x"...)
	if _, err := ReadFrame(bytes.NewReader(short)); err != io.ErrUnexpectedEOF {
		t.Errorf("cut: %v", err)
	}
	if err := WriteFrame(io.Discard, make([]byte, MaxFrame+1)); err == nil {
		t.Error("wrote too much")
	}
}
