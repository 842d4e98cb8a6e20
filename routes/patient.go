package routes

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// stallTime is how long a client may read nothing of an answer, or send nothing of its body.
const stallTime = 30 * time.Second

// A patient is a ResponseWriter whose deadline is renewed with each part of the answer, so that an
// answer may take as long as its client keeps reading.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newPatient(w http.ResponseWriter) *patient {
	return &patient{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Unwrap is for http.ResponseController.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Write writes a part of the answer.
func (p *patient) Write(data []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(stallTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.ResponseWriter.Write(data)
}

// body is that of a request, with time for each part of it. When the client has sent it,
// nothing more is expected: the time that the answer takes is not the client's.
func (p *patient) body(r *http.Request) io.ReadCloser {
	if r.ContentLength == 0 || r.Body == nil {
		_ = p.control.SetReadDeadline(time.Time{}) // or the request ends with its deadline
		return r.Body
	}
	return &patientBody{ReadCloser: r.Body, control: p.control}
}

type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
	broken  atomic.Bool // the client did not send all of it
}

// Read reads a part of the body.
func (b *patientBody) Read(data []byte) (int, error) {
	if err := b.control.SetReadDeadline(time.Now().Add(stallTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := b.ReadCloser.Read(data)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{}) // as in body
	} else if err != nil && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.broken.Store(true)
	}
	return n, err
}
