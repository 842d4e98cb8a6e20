package live

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
)

// The sizes of a websocket's buffers. Only control frames, of at most 127 bytes, are
// written through one.
const (
	readBuffer  = 128
	writeBuffer = 128
)

// smallBuffers gives a connection small buffers: an open websocket keeps them,
// reads little, and does not write its texts through them.
type smallBuffers struct {
	http.ResponseWriter
	writer **frameWriter // is set to the connection's
}

// Hijack takes the connection over, with the bytes that were read already.
func (b smallBuffers) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(b.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := rw.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	rest := io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn)
	// Accept reads only what is buffered, so all of these bytes must be buffered.
	reader := bufio.NewReaderSize(rest, max(readBuffer, len(early)))
	if _, err := reader.Peek(len(early)); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	w := newFrameWriter(conn)
	*b.writer = w
	return w, bufio.NewReadWriter(reader, bufio.NewWriterSize(w, writeBuffer)), nil
}
