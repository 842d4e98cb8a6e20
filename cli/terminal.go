package cli

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A terminal is one that a command draws on: it shows what is written at once,
// gives single keys, and is as it was after restore.
type terminal struct {
	in, out *os.File
	before  *unix.Termios
}

// isTerminal reports whether a stream is a file that is a terminal.
func isTerminal(stream any) bool {
	f, isFile := stream.(*os.File)
	if !isFile {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// openTerminal takes over the terminal that stdin and stdout are; nil: they are
// none.
func openTerminal(stdin io.Reader, stdout io.Writer) *terminal {
	if !isTerminal(stdin) || !isTerminal(stdout) {
		return nil
	}
	in, out := stdin.(*os.File), stdout.(*os.File)
	before, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		return nil
	}
	raw := *before
	raw.Lflag &^= unix.ICANON | unix.ECHO // Ctrl-C stays a signal
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, &raw); err != nil {
		return nil
	}
	t := &terminal{in: in, out: out, before: before}
	t.write("\x1b[?1049h\x1b[?25l") // another screen, no cursor
	return t
}

// restore leaves the terminal as it was found.
func (t *terminal) restore() {
	t.write("\x1b[?25h\x1b[?1049l")
	_ = unix.IoctlSetTermios(int(t.in.Fd()), unix.TCSETS, t.before)
}

// size is that of the window, in characters.
func (t *terminal) size() (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(t.out.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// draw shows lines in place of what is shown.
func (t *terminal) draw(lines []line) {
	painted := make([]string, len(lines))
	for i, l := range lines {
		painted[i] = l.painted()
	}
	t.write("\x1b[H" + strings.Join(painted, "\x1b[K\r\n") + "\x1b[K\x1b[J")
}

func (t *terminal) write(text string) { _, _ = io.WriteString(t.out, text) }

// maxSequence bounds the sequence of one key, in bytes.
const maxSequence = 32

// keys gives what is typed, until the program ends.
func (t *terminal) keys() <-chan key {
	keys := make(chan key)
	go func() {
		var buf [256]byte
		pending := ""
		for {
			n, err := t.in.Read(buf[:])
			if err != nil || n == 0 {
				return
			}
			typed, rest := decodeKeys(pending + string(buf[:n]))
			if pending = rest; len(pending) > maxSequence {
				pending = ""
			}
			for _, k := range typed {
				keys <- k
			}
		}
	}()
	return keys
}
