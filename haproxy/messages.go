package haproxy

import (
	"cmp"
	"slices"
	"strings"
)

// A message is a message of HAProxy, which may have several lines.
type message struct {
	level string // "ALERT", "WARNING", "NOTICE", …; "": other output
	text  string
}

// String is the message as HAProxy writes it, without the process id, so that the same
// error is always the same text.
func (m message) String() string {
	if m.level == "" {
		return m.text
	}
	return "[" + m.level + "] " + m.text
}

// messages splits HAProxy's output. A message begins with "[LEVEL]  (pid) : "; other lines
// continue the previous one.
func messages(text string) []message {
	var all []message
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		m, begins := parseMessage(line)
		if begins || len(all) == 0 || all[len(all)-1].level == "" {
			all = append(all, m)
			continue
		}
		all[len(all)-1].text += "\n" + line
	}
	return all
}

func parseMessage(line string) (m message, begins bool) {
	level, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "]")
	if !ok || line[0] != '[' || level == "" || strings.Trim(level, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return message{text: strings.TrimSpace(line)}, false
	}
	rest = strings.TrimSpace(rest)
	if pid, text, ok := strings.Cut(rest, ") : "); ok && strings.HasPrefix(pid, "(") {
		rest = text
	}
	return message{level, rest}, true
}

// LacksFiles reports whether HAProxy's output says that its limit of open files is too low
// for its configuration. Each server takes one ("Cannot raise FD limit to 429,
// limit is 256.", "FD limit (256) too low for maxconn=100/maxsock=429.").
func LacksFiles(output string) bool { return strings.Contains(output, "FD limit") }

// readable is HAProxy's output for a person: alerts first, notices only without others,
// each message once.
func readable(text string) string {
	rank := func(m message) int {
		switch m.level {
		case "ALERT":
			return 0
		case "WARNING":
			return 1
		case "":
			return 2
		}
		return 3
	}
	all := messages(text)
	slices.SortStableFunc(all, func(a, b message) int { return cmp.Compare(rank(a), rank(b)) })
	var lines []string
	for _, m := range all {
		if rank(m) == 3 && len(lines) > 0 {
			break
		}
		if line := m.String(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// onlyAlerts is the alerts of HAProxy's output, or all of it without an alert.
func onlyAlerts(text string) (output string, found bool) {
	var only strings.Builder
	for _, m := range messages(text) {
		if m.level == "ALERT" {
			only.WriteString("[ALERT]  (0) : " + m.text + "\n")
		}
	}
	if only.Len() == 0 {
		return readable(text), false
	}
	return readable(only.String()), true
}

// firstAlert is the first alert; "": none.
func firstAlert(text string) string {
	for _, m := range messages(text) {
		if m.level == "ALERT" {
			return m.text
		}
	}
	return ""
}
