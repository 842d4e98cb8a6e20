package consul

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// A scanner reads an array of JSON objects with few relevant fields. It is for
// /v1/health/state/any, which has megabytes in a large catalog. encoding/json takes
// 120 ms for 10,000 checks, and delays every change of a service without a blocking
// query. Of skipped values, the scanner only validates brackets and strings.
type scanner struct {
	r     io.Reader
	buf   []byte
	token []byte // the last string, if it was not completely in buf
	name  []byte // of the last field
	pos   int    // buf[pos:end] is to be read
	end   int
}

const (
	scanBuffer = 64 << 10
	// maxScanned limits a relevant string, and maxDepth the nesting of skipped values.
	maxScanned = 64 << 10
	maxDepth   = 1000
)

var errSyntax = errors.New("the answer is not the expected JSON")

func newScanner(r io.Reader) *scanner { return &scanner{r: r, buf: make([]byte, scanBuffer)} }

// objects calls each for every object of the array. null is an empty array, as Consul
// writes it.
func (s *scanner) objects(each func() error) error {
	first, err := s.next()
	switch {
	case err != nil:
		return err
	case first == 'n':
		return s.literal("ull")
	case first != '[':
		return errNoArray
	}
	return s.list(']', func() error {
		if c, err := s.next(); err != nil || c != '{' {
			return orSyntax(err)
		}
		return each()
	})
}

// fields calls field with the name of every field of an object, after its opening
// brace. field must read the value.
func (s *scanner) fields(field func(name []byte) error) error {
	return s.list('}', func() error {
		name, err := s.text()
		if err != nil {
			return err
		}
		s.name = append(s.name[:0], name...) // the colon may be in the next buffer
		if c, err := s.next(); err != nil || c != ':' {
			return orSyntax(err)
		}
		return field(s.name)
	})
}

// list reads elements separated by commas up to the end.
func (s *scanner) list(end byte, item func() error) error {
	c, err := s.next()
	if err != nil || c == end {
		return err
	}
	for s.pos--; ; {
		if err := item(); err != nil {
			return err
		}
		switch c, err := s.next(); {
		case err != nil:
			return err
		case c == end:
			return nil
		case c != ',':
			return errSyntax
		}
	}
}

// text reads a string; null is an empty one. The result is valid until the next call
// of any method.
func (s *scanner) text() ([]byte, error) {
	switch c, err := s.next(); {
	case err != nil:
		return nil, err
	case c == 'n':
		return nil, s.literal("ull")
	case c != '"':
		return nil, errSyntax
	}
	if i := bytes.IndexByte(s.buf[s.pos:s.end], '"'); i >= 0 {
		if t := s.buf[s.pos : s.pos+i]; bytes.IndexByte(t, '\\') < 0 {
			s.pos += i + 1
			return t, nil
		}
	}
	return s.oddText()
}

// textTo reads a string and copies it.
func (s *scanner) textTo(to *string) error {
	text, err := s.text()
	*to = string(text)
	return err
}

// oddText reads a string after its first quote that has escapes, or is not completely
// in the buffer.
func (s *scanner) oddText() ([]byte, error) {
	s.token = append(s.token[:0], '"')
	for escaped := false; ; {
		c, err := s.byte()
		if err != nil {
			return nil, err
		}
		if s.token = append(s.token, c); len(s.token) > maxScanned {
			return nil, errTooLarge
		}
		if c == '"' && !escaped {
			break
		}
		escaped = c == '\\' && !escaped
	}
	var text string
	if err := json.Unmarshal(s.token, &text); err != nil {
		return nil, err
	}
	return []byte(text), nil
}

// skip skips a value of any kind.
func (s *scanner) skip() error {
	for depth := 0; ; {
		c, err := s.next()
		if err != nil {
			return err
		}
		switch c {
		case '"':
			err = s.skipText()
		case '{', '[':
			if depth++; depth > maxDepth {
				err = errSyntax
			}
		case '}', ']':
			if depth--; depth < 0 {
				err = errSyntax
			}
		case ',', ':':
			if depth == 0 {
				err = errSyntax
			}
		default:
			err = s.skipScalar()
		}
		if err != nil || depth == 0 {
			return err
		}
	}
}

// skipText skips a string after its first quote.
func (s *scanner) skipText() error {
	for {
		rest := s.buf[s.pos:s.end]
		quote := bytes.IndexByte(rest, '"')
		if quote >= 0 {
			rest = rest[:quote]
		}
		switch escape := bytes.IndexByte(rest, '\\'); {
		case escape >= 0:
			s.pos += escape + 1
			if _, err := s.byte(); err != nil { // the escaped character
				return err
			}
		case quote >= 0:
			s.pos += quote + 1
			return nil
		default:
			if err := s.fill(); err != nil {
				return err
			}
		}
	}
}

// skipScalar skips a number, true, false or null after its first byte.
func (s *scanner) skipScalar() error {
	for {
		c, err := s.byte()
		if err != nil {
			return err
		}
		switch c {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			s.pos--
			return nil
		case '"', '{', '[', ':':
			return errSyntax
		}
	}
}

func (s *scanner) literal(rest string) error {
	for i := range len(rest) {
		if c, err := s.byte(); err != nil || c != rest[i] {
			return orSyntax(err)
		}
	}
	return nil
}

// next returns the next byte that is not a space.
func (s *scanner) next() (byte, error) {
	for {
		c, err := s.byte()
		if err != nil || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, err
		}
	}
}

func (s *scanner) byte() (byte, error) {
	if s.pos == s.end {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	s.pos++
	return s.buf[s.pos-1], nil
}

// fill reads the next bytes into the empty buffer.
func (s *scanner) fill() error {
	for range 100 {
		n, err := s.r.Read(s.buf)
		s.pos, s.end = 0, n
		switch {
		case n > 0:
			return nil // an error is returned by the next read
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

func orSyntax(err error) error {
	if err != nil {
		return err
	}
	return errSyntax
}
