package statsock

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// MaxPayload is the maximum length in bytes of a text that HAProxy certainly accepts with a
// command. Both have to fit into its buffer (tune.bufsize, 16 KB), of which it reserves a part.
const MaxPayload = 14 << 10

// Pay sends one command with a text of several lines, none of them empty, and returns the
// answer as Do does. A text of more than MaxPayload bytes is an error, and not sent.
func (s *Session) Pay(ctx context.Context, command, text string) (answer string, err error) {
	text = strings.Trim(text, "\n") + "\n"
	switch err := checkLine(command); {
	case err != nil:
		return "", err
	case strings.Contains(text, "\n\n") || text == "\n":
		return "", fmt.Errorf("text for %s has an empty line", command)
	case len(text) > MaxPayload:
		return "", fmt.Errorf("text for %s has %d bytes, and HAProxy takes %d", command, len(text), MaxPayload)
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
