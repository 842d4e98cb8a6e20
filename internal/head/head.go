// Package head keeps the beginning of what a program writes.
package head

import "bytes"

// A Buffer keeps the first bytes that are written to it, and takes the rest. It has no ReadFrom,
// unlike a bytes.Buffer: os/exec would call that instead of Write, without a bound. Make it with
// New.
type Buffer struct {
	kept  bytes.Buffer
	most  int
	isCut bool
}

// New makes a Buffer that keeps so many bytes.
func New(most int) *Buffer { return &Buffer{most: most} }

// Write keeps what fits. It never fails.
func (b *Buffer) Write(data []byte) (int, error) {
	room := b.most - b.kept.Len()
	b.isCut = b.isCut || len(data) > room
	b.kept.Write(data[:min(room, len(data))])
	return len(data), nil
}

// IsCut reports whether more was written than is kept.
func (b *Buffer) IsCut() bool { return b.isCut }

// Len is how many bytes are kept.
func (b *Buffer) Len() int { return b.kept.Len() }

// Bytes are what is kept, until the next Write.
func (b *Buffer) Bytes() []byte { return b.kept.Bytes() }

// String is what is kept.
func (b *Buffer) String() string { return b.kept.String() }
