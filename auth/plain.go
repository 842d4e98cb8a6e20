package auth

import (
	"bytes"
	"fmt"
	"strings"

	"thalassa/internal/safefile"
)

// PlainToken is the first token of the strongest role among the clear-text tokens of a
// file, for programs of the same node that may read the file. The error is that of
// Open, or says that there is no such token.
func PlainToken(path string) (string, error) {
	if _, _, err := readFileIn(path, "/", false); err != nil {
		return "", fmt.Errorf("reading tokens: %w", err)
	}
	data, err := safefile.Read(path, maxFile)
	if err != nil {
		return "", fmt.Errorf("reading tokens: %w", err)
	}
	token, role := "", Role(0)
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		e, err := parseLine(text)
		if words := strings.Fields(text); err == nil && e.who.Role > role && !strings.HasPrefix(words[2], prefix) {
			token, role = words[2], e.who.Role
		}
	}
	if token == "" {
		return "", fmt.Errorf("reading tokens: %s has no token in clear text", path)
	}
	return token, nil
}
