package statsock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// internSlack is the number of texts that a Scanner keeps beyond twice the lines of its last answer
// before it drops them all, since names and reasons change.
const internSlack = 4096

// A StatQuery narrows show stat. The zero value asks for everything.
type StatQuery struct {
	// Kinds of lines wanted; none: all.
	Kinds []Kind
	// InUse leaves out servers in maintenance.
	InUse bool
}

func (q StatQuery) command() string {
	mask := 0
	for _, k := range q.Kinds {
		mask |= 1 << k
	}
	if mask == 0 {
		mask = -1
	}
	command := "show stat -1 " + strconv.Itoa(mask) + " -1"
	if q.InUse {
		command += " no-maint"
	}
	return command
}

// A Scanner reads statistics repeatedly, line by line. It keeps its buffers and the texts that it
// has seen, so that reading the same servers again allocates nothing for them. The zero value is
// ready. It may be used by one goroutine at a time, for any number of clients, HAProxys and
// reloads.
type Scanner struct {
	// Info is that of the worker that answers, as of ShowInfo. It is set before the first line.
	Info Info

	decoder statDecoder
	heading string
	columns []namedColumn
	line    Stat
	lines   int // of the last answer
}

// Scan asks c and calls each with every line, in HAProxy's order (see Client.ShowStat). The line is
// valid during the call; its texts stay valid. An error of each ends the scan and is returned. When
// Scan fails, some lines may have been passed to each: discard them.
//
// Info is asked for in the same question: no reload can come between the two.
func (s *Scanner) Scan(ctx context.Context, c *Client, q StatQuery, each func(*Stat) error) error {
	s.Info = Info{}
	return c.ask(ctx, "show info;"+q.command(), func(r io.Reader) error {
		s.reset(r)
		var err error
		if s.Info, err = s.decoder.info(); err != nil {
			return fmt.Errorf("reading show info: %w", err)
		}
		if err := s.scan(each); err != nil {
			return fmt.Errorf("reading show stat: %w", err)
		}
		return nil
	})
}

// ScanSession is Scan in a session that was begun with a Client of a stats socket.
func (s *Scanner) ScanSession(ctx context.Context, session *Session, q StatQuery, each func(*Stat) error) error {
	s.Info = Info{}
	answers, err := session.Do(ctx, "show info", q.command())
	if err != nil {
		return err
	}
	if s.Info, err = readInfo(answers[0]); err != nil {
		return err
	}
	s.reset(strings.NewReader(answers[1] + "\n"))
	if err := s.scan(each); err != nil {
		return fmt.Errorf("reading show stat: %w", err)
	}
	return nil
}

func (s *Scanner) reset(r io.Reader) {
	d := &s.decoder
	if d.r == nil {
		d.r = bufio.NewReaderSize(nil, statBuffer)
		d.keep = true
	}
	d.r.Reset(r)
	if d.seen == nil || len(d.seen) > 2*s.lines+internSlack {
		d.seen = map[string]string{}
	}
}

// scan reads the CSV up to the blank line that ends it.
func (s *Scanner) scan(each func(*Stat) error) error {
	if err := s.readHeading(); err != nil {
		return err
	}
	for n := 1; ; n++ {
		line, err := s.decoder.record()
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("answer cut off after %d lines: %w", n, io.ErrUnexpectedEOF)
		case err != nil:
			return err
		case len(line) == 0:
			s.lines = n - 1
			return nil
		}
		s.line = Stat{}
		if err := s.decoder.decode(line, s.columns, &s.line); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if err := each(&s.line); err != nil {
			return err
		}
	}
}

// readHeading reads the names of the columns, which are those of the last
// answer unless another HAProxy answers.
func (s *Scanner) readHeading() error {
	line, err := s.decoder.headingLine()
	if err != nil || string(line) == s.heading {
		return err
	}
	s.heading = ""
	if s.columns, err = columnsOf(string(line)); err == nil {
		s.heading = string(line)
	}
	return err
}

// info reads the answer to show info, up to the blank line that ends it.
func (d *statDecoder) info() (Info, error) {
	var text strings.Builder
	for text.Len() < maxRecord {
		line, err := d.r.ReadSlice('\n')
		if err != nil {
			return Info{}, fmt.Errorf("answer cut off after %d bytes: %w", text.Len(), io.ErrUnexpectedEOF)
		}
		if len(line) == 1 {
			break
		}
		text.Write(line)
	}
	return parseInfo(text.String())
}
