package audit

import (
	"fmt"
	"io"
	"log/syslog"
)

// Syslog connects to the syslog of this machine, where each line is a message of facility
// authpriv. The connection is made again when it is lost.
func Syslog() (io.WriteCloser, error) { return dialSyslog("", "") }

// dialSyslog connects to a syslog; without an address, to that of this machine.
func dialSyslog(network, address string) (io.WriteCloser, error) {
	w, err := syslog.Dial(network, address, syslog.LOG_AUTHPRIV|syslog.LOG_INFO, "thalassa")
	if err != nil {
		return nil, fmt.Errorf("connecting to syslog: %w", err)
	}
	return w, nil
}
