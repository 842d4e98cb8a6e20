package statsock

import (
	"context"
	"fmt"
	"strings"
)

// An Offer is what clients of a socket of HAProxy may do.
type Offer struct {
	Level string // "user", "operator" or "admin"
	// Commands are the beginnings of the lines of its help: a command with the form
	// of its arguments. Some need a higher level nevertheless.
	Commands []string
}

// Has reports whether a command is offered, e.g. "show servers conn".
func (o Offer) Has(command string) bool {
	for _, c := range o.Commands {
		if c == command || strings.HasPrefix(c, command+" ") {
			return true
		}
	}
	return false
}

// Offer asks what can be done on the socket (management guide, 9.3, "help" and "show
// cli level").
func (c *Client) Offer(ctx context.Context) (Offer, error) {
	text, err := c.answer(ctx, "show cli level;help")
	if err != nil {
		return Offer{}, err
	}
	offer, err := parseOffer(text)
	if err != nil {
		return Offer{}, fmt.Errorf("reading help: %w", err)
	}
	return offer, nil
}

func parseOffer(text string) (Offer, error) {
	level, rest, _ := strings.Cut(text, "\n")
	o := Offer{Level: level}
	switch level {
	case "user", "operator", "admin":
	default:
		return Offer{}, refusal(text)
	}
	for line := range strings.Lines(rest) {
		// "  show servers conn [<backend>]           : dump server connections …"
		if command, _, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(line, "  ") {
			o.Commands = append(o.Commands, strings.TrimSpace(command))
		}
	}
	return o, nil
}
