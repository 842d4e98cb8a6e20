package statsock

import (
	"context"
	"fmt"
	"strings"
)

// ChangeServers has commands carried out, joined into one line, and asks in the
// same line how the servers of some backends stand afterwards; "" means those of
// all backends. words are what HAProxy had to say about the commands, which may
// be no more than what it did. The line must not be longer than HAProxy's buffer
// (see Do).
func (c *Client) ChangeServers(ctx context.Context, commands, backends []string) (words []string, servers []Server, err error) {
	line := make([]string, 0, len(commands)+len(backends))
	line = append(line, commands...)
	for _, b := range backends {
		line = append(line, strings.TrimSpace("show servers state "+b))
	}
	text, err := c.answer(ctx, strings.Join(line, ";"))
	if err != nil {
		return nil, nil, err
	}
	answers, err := separate(text, len(line))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the answers to %d commands: %w", len(line), err)
	}
	for _, answer := range answers[:len(commands)] {
		if said := strings.TrimSpace(answer); said != "" {
			words = append(words, said)
		}
	}
	for _, answer := range answers[len(commands):] {
		list, err := parseServers(answer)
		if err != nil {
			return words, nil, fmt.Errorf("reading show servers state: %w", err)
		}
		servers = append(servers, list...)
	}
	return words, servers, nil
}

// separate tells the answers to count joined commands apart: each ends with a
// blank line, the last of which is not part of text any more.
func separate(text string, count int) ([]string, error) {
	text += "\n"
	answers := make([]string, 0, count)
	for text != "" {
		answer, rest, found := "", text[1:], text[0] == '\n'
		if !found {
			answer, rest, found = strings.Cut(text, "\n\n")
			answer += "\n"
		}
		if !found {
			return nil, fmt.Errorf("answer %d has no end", len(answers)+1)
		}
		answers, text = append(answers, answer), rest
	}
	if len(answers) != count {
		return nil, fmt.Errorf("there are %d", len(answers))
	}
	return answers, nil
}
