package statsock

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// maxPaid is how long a command and its text are at most together, in bytes: HAProxy collects
// both in one buffer (tune.bufsize, 16 KB; cli_io_handler in src/cli.c).
const maxPaid = 16<<10 - 128

// MaxPayload is how long a text is at most that HAProxy takes with a command, in bytes.
func MaxPayload(command string) int { return maxPaid - len(command) }

// Pay sends one command with a text of several lines, none of them empty, and returns the
// answer as Do does. A text of more than MaxPayload bytes is an error, and not sent.
func (s *Session) Pay(ctx context.Context, command, text string) (answer string, err error) {
	text = strings.Trim(text, "\n") + "\n"
	switch err := checkLine(command); {
	case err != nil:
		return "", err
	case strings.Contains(text, "\n\n") || text == "\n":
		return "", fmt.Errorf("text for %s has an empty line", command)
	case len(text) > MaxPayload(command):
		return "", fmt.Errorf("text for %s has %d bytes, and HAProxy takes %d", command, len(text), MaxPayload(command))
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	paid := command + " <<\n" + text + "\n"
	if s.conn == nil {
		err = s.client.converse(ctx, strings.TrimSuffix(paid, "\n"), func(r io.Reader) error {
			raw, err := readAnswer(r)
			if err == nil {
				answer, err = complete(raw)
			}
			return err
		})
		if err != nil {
			return "", s.client.failed(ctx, err)
		}
		return unprompted(answer), nil
	}
	defer interrupt(ctx, s.conn)()
	count := 1
	if !s.begun {
		count, paid = 2, "prompt\n"+paid
	}
	var answers []string
	if _, err = io.WriteString(s.conn, paid); err == nil {
		answers, err = readAnswers(s.conn, count)
	}
	if err != nil {
		return "", s.client.failed(ctx, err)
	}
	s.begun = true
	return unprompted(answers[count-1]), nil
}

// unprompted is an answer without the prompts for the lines of a text.
func unprompted(answer string) string {
	for strings.HasPrefix(answer, "+ ") {
		answer = answer[2:]
	}
	return answer
}
