package peer

import (
	"fmt"
	"net"
	"os/user"
	"strconv"
)

// CheckCaller refuses other users at the other end of a unix socket than root and the named one.
func CheckCaller(conn net.Conn, name string) error {
	who, err := Of(conn)
	if err != nil {
		return fmt.Errorf("who asks is not known: %w", err)
	}
	if who.Uid == 0 {
		return nil
	}
	if allowed, err := user.Lookup(name); err != nil || allowed.Uid != strconv.Itoa(int(who.Uid)) {
		return fmt.Errorf("user %d may not ask", who.Uid)
	}
	return nil
}
