package statsock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// A Session is a conversation with the worker that served when it began. All its commands go to
// that worker, also when another one serves by now. So a command that follows from an answer never
// reaches a worker that would have answered differently. It is for one goroutine, for seconds at
// most (it keeps a worker alive that is stopping, and HAProxy ends an idle one after its "stats
// timeout"), and cannot be used any more after an error. Through a master (Master.Worker) it keeps
// no worker alive: after the worker has ended, the error is ErrWorkerGone.
type Session struct {
	client *Client
	conn   net.Conn // nil: through the master, which takes one line a connection
	begun  bool     // HAProxy has been told that more lines will come
}

// Begin begins a session, which the caller ends.
func (c *Client) Begin(ctx context.Context) (*Session, error) {
	if c.prefix != "" {
		return &Session{client: c}, nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	return &Session{client: c, conn: conn}, nil
}

// End ends the session.
func (s *Session) End() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// Do sends commands joined into one line, which HAProxy carries out without a break, and returns
// the answer to each. Its limits and errors are those of Client.Do.
func (s *Session) Do(ctx context.Context, commands ...string) (answers []string, err error) {
	line := strings.Join(commands, ";")
	if s.conn == nil {
		return s.client.answers(ctx, line, len(commands))
	}
	if err := checkLine(line); err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	defer interrupt(ctx, s.conn)()
	count, sent := len(commands), line+"\n"
	if !s.begun {
		count, sent = count+1, "prompt\n"+sent
	}
	if _, err = io.WriteString(s.conn, sent); err == nil {
		answers, err = readAnswers(s.conn, count)
	}
	if err != nil {
		return nil, s.client.failed(ctx, err)
	}
	answers = answers[count-len(commands):] // without that to "prompt"
	s.begun = true
	return answers, nil
}

// answers sends a line through the master, and separates the answers to its commands.
func (c *Client) answers(ctx context.Context, line string, count int) (answers []string, err error) {
	err = c.ask(ctx, line, func(r io.Reader) error {
		raw, err := readAnswer(r)
		switch {
		case err != nil:
			return err
		case len(raw) > maxAnswer:
			return fmt.Errorf("answers are longer than %d bytes", maxAnswer)
		case noTarget(raw):
			return gone(raw)
		}
		if answers = separate(string(raw)); len(answers) != count {
			return fmt.Errorf("there are %d answers to %d commands", len(answers), count)
		}
		return nil
	})
	return answers, err
}

// ShowInfo is Client.ShowInfo. The worker may be stopping by now: it answers as long as the session
// lasts, but refuses to change servers.
func (s *Session) ShowInfo(ctx context.Context) (Info, error) {
	answers, err := s.Do(ctx, "show info")
	if err != nil {
		return Info{}, err
	}
	return readInfo(answers[0])
}

// ShowServers asks for the state of the servers of some backends.
func (s *Session) ShowServers(ctx context.Context, backends ...string) ([]Server, error) {
	return show(ctx, s, serversState, parseServers, backends)
}

// ShowServersAndInfo is ShowServers and ShowInfo in one question, which takes half the time. The
// Info is as of after the servers.
func (s *Session) ShowServersAndInfo(ctx context.Context, backends ...string) ([]Server, Info, error) {
	answers, err := s.DoAll(ctx, append(about(serversState, backends), "show info")...)
	if err != nil {
		return nil, Info{}, err
	}
	servers, err := parseAll(serversState, parseServers, answers[:len(backends)])
	if err != nil {
		return nil, Info{}, err
	}
	info, err := readInfo(answers[len(backends)])
	return servers, info, err
}

// ShowConnections asks for the connections to the servers of some backends.
func (s *Session) ShowConnections(ctx context.Context, backends ...string) ([]Connections, error) {
	return show(ctx, s, "show servers conn", parseConnections, backends)
}

const serversState = "show servers state"

func show[T any](ctx context.Context, s *Session, command string, parse func(string) ([]T, error), backends []string) ([]T, error) {
	answers, err := s.DoAll(ctx, about(command, backends)...)
	if err != nil {
		return nil, err
	}
	return parseAll(command, parse, answers)
}

// about are a command for each backend.
func about(command string, backends []string) []string {
	commands := make([]string, len(backends))
	for i, b := range backends {
		commands[i] = command + " " + b
	}
	return commands
}

// parseAll are the values of all answers to a command.
func parseAll[T any](command string, parse func(string) ([]T, error), answers []string) ([]T, error) {
	var all []T
	for _, answer := range answers {
		list, err := parse(answer)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", command, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// Change carries out commands in their order. words are HAProxy's messages about them, which are
// not always errors.
func (s *Session) Change(ctx context.Context, commands ...string) (words []string, err error) {
	answers, err := s.DoAll(ctx, commands...)
	return messages(answers), err
}

// ChangeAndShowServers is Change, and then ShowServers in the same question.
func (s *Session) ChangeAndShowServers(ctx context.Context, commands []string, backends ...string) (words []string, servers []Server, err error) {
	answers, err := s.DoAll(ctx, slices.Concat(commands, about(serversState, backends))...)
	if err != nil {
		return nil, nil, err
	}
	servers, err = parseAll(serversState, parseServers, answers[len(commands):])
	return messages(answers[:len(commands)]), servers, err
}

// messages are the answers that say something.
func messages(answers []string) (words []string) {
	for _, answer := range answers {
		if said := strings.TrimSpace(answer); said != "" {
			words = append(words, said)
		}
	}
	return words
}

// maxLine limits a line of joined commands, in bytes. It is well below the size of HAProxy's
// buffer.
const maxLine = 8 << 10

// DoAll is Do for any number of commands, in as many lines as they take.
func (s *Session) DoAll(ctx context.Context, commands ...string) ([]string, error) {
	answers := make([]string, 0, len(commands))
	for len(answers) < len(commands) {
		rest, length := commands[len(answers):], 0
		count := slices.IndexFunc(rest, func(c string) bool {
			length += len(c) + len(s.client.prefix) + 1
			return length > maxLine
		})
		if count < 0 {
			count = len(rest)
		}
		some, err := s.Do(ctx, rest[:max(count, 1)]...)
		if err != nil {
			return nil, err
		}
		answers = append(answers, some...)
	}
	return answers, nil
}

// prompt is what HAProxy sends in a session when it waits for a line; until 3.0 it is
// also there after each of the answers to a line but the last.
const prompt = "> "

// readAnswers reads the answers to so many commands, up to where HAProxy waits for
// more.
func readAnswers(r io.Reader, count int) ([]string, error) {
	var raw []byte
	for len(raw) <= maxAnswer {
		raw = slices.Grow(raw, 4<<10)
		n, err := r.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if bytes.HasSuffix(raw, []byte("\n"+prompt)) {
			switch answers := separate(string(raw)); {
			case len(answers) == count:
				return answers, nil
			case len(answers) > count:
				return nil, fmt.Errorf("there are %d answers to %d commands", len(answers), count)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("answers cut off after %d bytes: %w", len(raw), io.ErrUnexpectedEOF)
		case err != nil:
			return nil, err
		}
	}
	return nil, fmt.Errorf("answers are longer than %d bytes", maxAnswer)
}

// separate splits a text into answers: each ends with a blank line, but for some refusals of
// HAProxy 2.6 ("Backend must use a dynamic load balancing …"), which only the prompt ends.
// What follows the last end is left out.
func separate(text string) (answers []string) {
	for {
		text = strings.TrimPrefix(text, prompt)
		end := 0
		if !strings.HasPrefix(text, "\n") {
			end = strings.Index(text, "\n\n") + 1
			if p := strings.Index(text, "\n"+prompt) + 1; p > 0 && (end == 0 || p < end) {
				answers, text = append(answers, text[:p]), text[p:]
				continue
			}
			if end == 0 {
				return answers
			}
		}
		answers, text = append(answers, text[:end]), text[end+1:]
	}
}
