package haproxy

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"thalassa/internal/safefile"
)

const (
	// maxLog is the length from which the startup log is emptied.
	maxLog = 1 << 20
	// maxOutput bounds what is read of it at once.
	maxOutput = 64 << 10
)

// A startupLog is the file that HAProxy's standard output and error go to.
type startupLog struct {
	path string // "": none
	disk *disk
	// isShared: the folder is another user's, whose obstacles are an error.
	isShared bool
	changes  changeLock

	mu     sync.Mutex
	mark   int64 // length of the file at the last start or reload
	marked bool  // mark is set
}

// open returns the file for a new HAProxy. It is opened to append, so that it can be
// emptied while HAProxy has it open.
func (l *startupLog) open() (*os.File, error) {
	if l.path == "" {
		return safefile.Discard()
	}
	f, err := l.openWritable()
	if safefile.IsDisk(err) {
		return safefile.Discard() // HAProxy is to start without it, and not to hang with its first line
	}
	if err == nil || l.isShared || !l.isObstructed() {
		return f, err
	}
	if err := os.Remove(l.path); err != nil {
		return safefile.Discard() // HAProxy does not wait for it
	}
	return l.openWritable()
}

// openWritable opens the log for HAProxy, whose own writes must not hang.
func (l *startupLog) openWritable() (*os.File, error) {
	return tell(l.disk, l.path, func(abandoned func() bool) (*os.File, error) {
		f, err := l.file(os.O_WRONLY | os.O_APPEND | os.O_CREATE)
		if err != nil {
			return nil, err
		}
		now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
		_ = unix.UtimesNanoAt(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())), now, 0) // waits where a write would
		if abandoned() {
			return nil, f.Close()
		}
		return f, nil
	})
}

// isObstructed reports whether a link, a FIFO or a socket has the name of the log.
func (l *startupLog) isObstructed() bool {
	info, err := os.Lstat(l.path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode()&(fs.ModeSymlink|fs.ModeNamedPipe|fs.ModeSocket) != 0 || info.Mode().IsRegular() && ok && stat.Nlink > 1
}

// file opens the log. Another user may own the folder: nothing but a regular file with
// one name is opened.
func (l *startupLog) file(flags int) (*os.File, error) {
	return safefile.OpenFile(l.path, flags, 0o640)
}

// isLong reports whether the log has grown too long.
func (l *startupLog) isLong() bool {
	info, err := tell(l.disk, l.path, func(func() bool) (fs.FileInfo, error) { return os.Lstat(l.path) })
	return err == nil && info.Size() > maxLog
}

// empty empties the log, and reports whether it could.
func (l *startupLog) empty() bool {
	return l.disk.Do(l.path, func(func() bool) error { return l.truncate() }) == nil
}

func (l *startupLog) truncate() error {
	f, err := l.file(os.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(0)
}

// begin empties a log that has grown too long. It returns the length.
func (l *startupLog) begin() int64 {
	length, _ := tell(l.disk, l.path, func(func() bool) (int64, error) { return l.length(), nil })
	return length
}

func (l *startupLog) length() int64 {
	f, err := l.file(os.O_WRONLY)
	if err != nil {
		return 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() > maxLog && f.Truncate(0) == nil {
		return 0
	}
	return info.Size()
}

// since returns what was written after mark, at most the last maxOutput bytes. Without a
// log that is "".
func (l *startupLog) since(mark int64) (string, error) {
	return tell(l.disk, l.path, func(func() bool) (string, error) { return l.after(mark) })
}

func (l *startupLog) after(mark int64) (string, error) {
	f, err := l.file(os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if size < mark {
		mark = 0 // emptied meanwhile
	}
	if _, err := f.Seek(max(mark, size-maxOutput), io.SeekStart); err != nil {
		return "", err
	}
	output, err := io.ReadAll(io.LimitReader(f, maxOutput))
	return string(output), err
}

// setMark stores where HAProxy's next output begins.
func (l *startupLog) setMark() {
	mark := l.begin()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark, l.marked = mark, true
}

// trim empties a startup log that has grown too long: each change of a server's health
// adds a line. It does nothing during a start or reload, whose errors are read from it.
func (l *startupLog) trim() {
	if !l.isLong() {
		return
	}
	if !l.changes.tryLock() {
		return
	}
	defer l.changes.unlock()
	if l.empty() { // else it belongs to another user, who started HAProxy
		l.mu.Lock()
		defer l.mu.Unlock()
		l.mark, l.marked = 0, true // HAProxy may have written again already
	}
}

// setMarkOnce is setMark for an adopted HAProxy, unless there is a mark: earlier output
// does not explain its end.
func (l *startupLog) setMarkOnce() {
	mark := l.begin()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.marked {
		l.mark, l.marked = mark, true
	}
}

// sinceMark returns what HAProxy has written since setMark.
func (l *startupLog) sinceMark() string {
	l.mu.Lock()
	mark := l.mark
	l.mu.Unlock()
	output, err := l.since(mark)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "reading startup log: " + err.Error()
	}
	return output
}
