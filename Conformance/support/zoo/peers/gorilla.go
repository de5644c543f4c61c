// SPDX-License-Identifier: Apache-2.0
// zoo-roles: client server
// zoo-apt: golang-go golang-github-gorilla-websocket-dev
// zoo-environment: GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE={build}/cache
// zoo-build: go build -o {build}/gorilla {file}
// zoo-run: {build}/gorilla

// gorilla/websocket, the library that most Go programs have.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

type cannot string

func (c cannot) Error() string { return string(c) }

type connection struct {
	*websocket.Conn
	ponged bool
}

var kinds = map[string]int{"text": websocket.TextMessage, "binary": websocket.BinaryMessage}

func wrap(ws *websocket.Conn, target string) *connection {
	c := &connection{Conn: ws}
	ws.SetPongHandler(func(data string) error {
		c.ponged = data == "zoo"
		if target != "" {
			report("pong", target, data)
		}
		return nil
	})
	return c
}

// In frames of 128 bytes, the size of the buffer; the ping goes out in their midst.
func (c *connection) sendFrames(kind int, data []byte, ping bool) error {
	c.EnableWriteCompression(!ping)
	writer, err := c.NextWriter(kind)
	if err != nil {
		return err
	}
	if _, err = writer.Write(data[:len(data)/2]); err != nil {
		return err
	}
	if ping {
		if err = c.WriteControl(websocket.PingMessage, []byte("zoo"), time.Now().Add(time.Second)); err != nil {
			return err
		}
	}
	if _, err = writer.Write(data[len(data)/2:]); err != nil {
		return err
	}
	return writer.Close()
}

func (c *connection) expect(kind int, data []byte) error {
	got, message, err := c.ReadMessage()
	if err != nil {
		return err
	}
	if got != kind || !bytes.Equal(message, data) {
		return fmt.Errorf("got %d bytes, sent %d", len(message), len(data))
	}
	return nil
}

func (c *connection) close(code int, reason string) (int, string) {
	c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	return c.end()
}

func (c *connection) end() (int, string) {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			c.Close()
			return ending(err)
		}
	}
}

func ending(err error) (int, string) {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return closed.Code, closed.Text
	}
	return 1006, ""
}

func (c *connection) reset() {
	c.UnderlyingConn().(*net.TCPConn).SetLinger(0)
	c.Close()
}

func report(fields ...string) { os.Stdout.WriteString(strings.Join(fields, "\t") + "\n") }

func open(url string, offer string, subprotocols []string) (*connection, string, error) {
	dialer := websocket.Dialer{EnableCompression: true, Subprotocols: subprotocols, WriteBufferSize: 128}
	switch offer {
	case "default", "client_no_context_takeover; server_no_context_takeover":
	case "none":
		dialer.EnableCompression = false
	default:
		return nil, "", cannot("the library has one offer, both flags")
	}
	ws, response, err := dialer.Dial(url, nil)
	if err != nil {
		return nil, "", err
	}
	return wrap(ws, ""), response.Header.Get("Sec-Websocket-Extensions"), nil
}

func command(verb, url string, fields []string) ([]string, error) {
	offer := "default"
	var subprotocols []string
	switch verb {
	case "echo":
		offer, fields = fields[0], fields[1:]
	case "subprotocols":
		if fields[0] != "" {
			subprotocols = strings.Split(fields[0], ",")
		}
	}
	c, extensions, err := open(url, offer, subprotocols)
	if err != nil {
		return nil, err
	}
	switch verb {
	case "echo":
		for ; len(fields) > 1; fields = fields[2:] {
			data, _ := os.ReadFile(fields[1])
			if err := c.WriteMessage(kinds[fields[0]], data); err != nil {
				return nil, err
			}
			if err := c.expect(kinds[fields[0]], data); err != nil {
				return nil, err
			}
		}
		c.close(1000, "")
		return []string{extensions}, nil
	case "flood":
		data, _ := os.ReadFile(fields[1])
		count, _ := strconv.Atoi(fields[2])
		for i := 0; i < count; i++ {
			if err := c.WriteMessage(kinds[fields[0]], data); err != nil {
				return nil, err
			}
		}
		for i := 0; i < count; i++ {
			if err := c.expect(kinds[fields[0]], data); err != nil {
				return nil, err
			}
		}
		c.close(1000, "")
		return nil, nil
	case "fragments", "ping":
		data, _ := os.ReadFile(fields[1])
		if err := c.sendFrames(kinds[fields[0]], data, verb == "ping"); err != nil {
			return nil, err
		}
		if err := c.expect(kinds[fields[0]], data); err != nil {
			return nil, err
		}
		// The pong is handled while the message is read, which comes behind it.
		if verb == "ping" && !c.ponged {
			return nil, errors.New("no pong")
		}
		c.close(1000, "")
		return nil, nil
	case "close":
		code, _ := strconv.Atoi(fields[0])
		code, reason := c.close(code, fields[1])
		return []string{strconv.Itoa(code), reason}, nil
	case "closed", "lost":
		text := "zoo"
		if verb == "closed" {
			text = fields[0] + " " + fields[1]
		}
		c.WriteMessage(websocket.TextMessage, []byte(text))
		code, reason := c.end()
		return []string{strconv.Itoa(code), reason}, nil
	case "reset", "subprotocols":
		c.WriteMessage(websocket.TextMessage, []byte("zoo"))
		if err := c.expect(websocket.TextMessage, []byte("zoo")); err != nil {
			return nil, err
		}
		if verb == "reset" {
			c.reset()
			return nil, nil
		}
		c.close(1000, "")
		return []string{c.Subprotocol()}, nil
	}
	return nil, cannot("the peer knows no such command")
}

func client() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		answer, err := command(fields[0], fields[1], fields[2:])
		var reason cannot
		switch {
		case errors.As(err, &reason):
			report("cannot", err.Error())
		case err != nil:
			report("failed", err.Error())
		default:
			report(append([]string{"ok"}, answer...)...)
		}
	}
}

func converse(c *connection, path, target string) {
	first := true
	for {
		kind, data, err := c.ReadMessage()
		if err != nil {
			code, reason := ending(err)
			report("closed", target, strconv.Itoa(code), reason)
			c.Close()
			return
		}
		switch path {
		case "/close":
			text := strings.SplitN(string(data), " ", 2)
			code, _ := strconv.Atoi(text[0])
			code, reason := c.close(code, text[1])
			report("closed", target, strconv.Itoa(code), reason)
			return
		case "/reset":
			c.reset()
			return
		case "/fragments", "/ping":
			c.sendFrames(kind, data, path == "/ping")
			continue
		case "/flood":
			for i := 1; first && i < 10; i++ {
				c.WriteMessage(kind, data)
			}
			first = false
		}
		c.WriteMessage(kind, data)
	}
}

func server(port string) {
	upgrader := websocket.Upgrader{EnableCompression: true, Subprotocols: []string{"zoo.v1"}, WriteBufferSize: 128}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err == nil {
			converse(wrap(ws, r.URL.RequestURI()), r.URL.Path, r.URL.RequestURI())
		}
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+port, nil))
}

func main() {
	switch os.Args[1] {
	case "version":
		version, _ := exec.Command("dpkg-query", "-W", "-f", "${Version}", "golang-github-gorilla-websocket-dev").Output()
		fmt.Println("gorilla/websocket", string(version), "on", runtime.Version())
	case "client":
		client()
	case "server":
		server(os.Args[2])
	}
}
