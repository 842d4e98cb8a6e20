package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// DialRoot connects to a unix socket, and refuses one that belongs to another user than root.
func DialRoot(ctx context.Context, path string) (*net.UnixConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	who, err := Of(conn)
	if err == nil && who.Uid != 0 {
		err = fmt.Errorf("%s belongs to user %d, expected root", path, who.Uid)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	socket, _ := conn.(*net.UnixConn) // else Of has refused it
	return socket, nil
}

// A LineError says that a question is not one line.
type LineError struct{ Max int64 }

// Error says what was expected.
func (e *LineError) Error() string {
	return fmt.Sprintf("the question is not a line of at most %d bytes", e.Max)
}

// ReadLine reads the line by which somebody asks, and not much more. The error is a *LineError if that
// has more bytes than the most, or no end.
func ReadLine(in io.Reader, most int64) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(in, most)).ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return nil, &LineError{most}
	}
	return line, err
}
