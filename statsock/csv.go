package statsock

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	statBuffer = 64 << 10
	// maxRecord bounds one line of the CSV; real ones stay below 2 KB.
	maxRecord = 1 << 20
)

// readStats reads the CSV of show stat up to the blank line that ends it. It
// reads as the answer arrives and allocates only what it returns.
func readStats(r io.Reader) ([]Stat, error) {
	var s Scanner
	s.reset(r)
	s.decoder.keep = false
	var stats []Stat
	err := s.scan(func(line *Stat) error {
		stats = append(stats, *line)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return stats, nil
}

// A namedColumn keeps the name for errors.
type namedColumn struct {
	name string
	set  column // nil: not wanted
}

type statDecoder struct {
	r    *bufio.Reader
	buf  []byte // a record that did not fit into one read; reused
	text []byte // a quoted field without its quotes; reused
	seen map[string]string
	// keep is set where the next answer will have the same texts again.
	keep bool
}

// headingLine reads "# pxname,svname,…", valid until the next read.
func (d *statDecoder) headingLine() ([]byte, error) {
	line, err := d.record()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("answer cut off: %w", io.ErrUnexpectedEOF)
	}
	return line, err
}

// columnsOf finds the places of the columns that a heading names.
func columnsOf(heading string) ([]namedColumn, error) {
	names, ok := strings.CutPrefix(heading, "# ")
	if !ok || !strings.HasPrefix(names, "pxname,svname,") {
		return nil, refusal(heading)
	}
	var columns []namedColumn
	for name := range strings.SplitSeq(names, ",") {
		columns = append(columns, namedColumn{name, columnOf(name)})
	}
	return columns, nil
}

// record returns one line without its end; a line break inside quotes belongs
// to the line. The bytes are valid until the next call. io.EOF means that the
// line has no end.
func (d *statDecoder) record() ([]byte, error) {
	line, err := d.r.ReadSlice('\n')
	open := oddQuotes(line)
	if err == nil && !open {
		return line[:len(line)-1], nil
	}
	d.buf = append(d.buf[:0], line...)
	for err != nil || open {
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(d.buf) > maxRecord {
			return nil, fmt.Errorf("line is longer than %d bytes", maxRecord)
		}
		line, err = d.r.ReadSlice('\n')
		open = open != oddQuotes(line)
		d.buf = append(d.buf, line...)
	}
	return d.buf[:len(d.buf)-1], nil
}

// oddQuotes reports whether text opens or closes a quoted field that goes
// beyond it.
func oddQuotes(text []byte) bool { return bytes.Count(text, []byte{'"'})%2 != 0 }

// decode fills s, which is zero, from one line. Fields beyond the heading are ignored, missing
// ones stay zero.
func (d *statDecoder) decode(line []byte, columns []namedColumn, s *Stat) error {
	more := true
	var field []byte
	for _, c := range columns {
		if !more {
			break
		}
		field, line, more = d.field(line)
		if c.set == nil || len(field) == 0 {
			continue
		}
		if err := c.set(d, s, field); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	if s.Proxy == "" || s.Server == "" {
		return errors.New("has no name")
	}
	return nil
}

// field cuts the first field off. A field in quotes may hold commas, and quotes
// written twice (management guide, 9.1).
func (d *statDecoder) field(line []byte) (field, rest []byte, more bool) {
	if len(line) == 0 || line[0] != '"' {
		if i := bytes.IndexByte(line, ','); i >= 0 {
			return line[:i], line[i+1:], true
		}
		return line, nil, false
	}
	d.text = d.text[:0]
	line = line[1:]
	for {
		i := bytes.IndexByte(line, '"')
		if i < 0 {
			return append(d.text, line...), nil, false
		}
		d.text = append(d.text, line[:i]...)
		line = line[i+1:]
		if len(line) == 0 || line[0] != '"' {
			break
		}
		d.text = append(d.text, '"')
		line = line[1:]
	}
	if i := bytes.IndexByte(line, ','); i >= 0 {
		return d.text, line[i+1:], true
	}
	return d.text, nil, false
}

// intern returns the string of a text that was probably seen before.
func (d *statDecoder) intern(text []byte) string {
	if s, ok := d.seen[string(text)]; ok {
		return s
	}
	s := string(text)
	d.seen[s] = s
	return s
}
