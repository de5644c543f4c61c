// SPDX-License-Identifier: Apache-2.0
// zoo-roles: server
// zoo-apt: openjdk-17-jdk-headless libtomcat10-embed-java libjakarta-annotation-api-java
// zoo-build: javac -cp '/usr/share/java/*' -d {build} {file}
// zoo-run: java -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp {build}:/usr/share/java/* Tomcat
// zoo-cannot: server reset-in: the interface has no way to drop the connection

import jakarta.websocket.CloseReason;
import jakarta.websocket.Endpoint;
import jakarta.websocket.EndpointConfig;
import jakarta.websocket.HandshakeResponse;
import jakarta.websocket.MessageHandler;
import jakarta.websocket.PongMessage;
import jakarta.websocket.RemoteEndpoint;
import jakarta.websocket.Session;
import jakarta.websocket.server.HandshakeRequest;
import jakarta.websocket.server.ServerContainer;
import jakarta.websocket.server.ServerEndpointConfig;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.List;
import org.apache.catalina.Context;
import org.apache.catalina.util.ServerInfo;
import org.apache.tomcat.websocket.server.WsSci;

/** Tomcat, embedded, with its implementation of Jakarta WebSocket. */
public class Tomcat {
  static final List<String> PATHS = List.of("/echo", "/fragments", "/ping", "/close", "/flood");

  static synchronized void report(String... fields) {
    byte[] line = (String.join("\t", fields) + "\n").getBytes(StandardCharsets.UTF_8);
    System.out.write(line, 0, line.length);
    System.out.flush();
  }

  public static class Echo extends Endpoint {
    private Session session;
    private String path;
    private String target;
    private boolean first = true;
    private CloseReason own;

    @Override public void onOpen(Session session, EndpointConfig config) {
      this.session = session;
      path = session.getRequestURI().getPath();
      target = path + "?" + session.getQueryString();
      session.setMaxTextMessageBufferSize(16 << 20);
      session.setMaxBinaryMessageBufferSize(16 << 20);
      session.addMessageHandler(String.class, new MessageHandler.Whole<String>() {
        @Override public void onMessage(String text) { answer(text, null); }
      });
      session.addMessageHandler(ByteBuffer.class, new MessageHandler.Whole<ByteBuffer>() {
        @Override public void onMessage(ByteBuffer data) { answer(null, data); }
      });
      session.addMessageHandler(PongMessage.class, new MessageHandler.Whole<PongMessage>() {
        @Override public void onMessage(PongMessage pong) {
          report("pong", target, StandardCharsets.UTF_8.decode(pong.getApplicationData()).toString());
        }
      });
    }

    private void answer(String text, ByteBuffer data) {
      try {
        RemoteEndpoint.Basic remote = session.getBasicRemote();
        if (path.equals("/close")) {
          String[] parts = text.split(" ", 2);
          session.close(new CloseReason(CloseReason.CloseCodes.getCloseCode(Integer.parseInt(parts[0])), parts[1]));
          return;
        }
        if (path.equals("/fragments") || path.equals("/ping")) {
          ByteBuffer zoo = ByteBuffer.wrap("zoo".getBytes());
          if (text != null) {
            int half = text.offsetByCodePoints(0, text.codePointCount(0, text.length()) / 2);
            remote.sendText(text.substring(0, half), false);
            if (path.equals("/ping")) remote.sendPing(zoo);
            remote.sendText(text.substring(half), true);
          } else {
            int half = data.limit() / 2;
            remote.sendBinary(data.slice(0, half), false);
            remote.sendBinary(data.slice(half, data.limit() - half), true);
          }
          return;
        }
        for (int count = path.equals("/flood") && first ? 10 : 1; count > 0; count--) {
          if (text != null) remote.sendText(text);
          else remote.sendBinary(data.duplicate());
        }
        first = false;
      } catch (Exception error) {
        error.printStackTrace();
      }
    }

    @Override public void onClose(Session session, CloseReason reason) {
      report("closed", target, "" + reason.getCloseCode().getCode(), reason.getReasonPhrase());
    }

    @Override public void onError(Session session, Throwable error) { error.printStackTrace(); }
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments[0].equals("version")) {
      System.out.println(ServerInfo.getServerInfo() + " on Java " + System.getProperty("java.version"));
      return;
    }
    org.apache.catalina.startup.Tomcat tomcat = new org.apache.catalina.startup.Tomcat();
    tomcat.setBaseDir(Files.createTempDirectory(java.nio.file.Path.of("."), "tomcat").toString());
    tomcat.setHostname("127.0.0.1");
    tomcat.setPort(Integer.parseInt(arguments[1]));
    tomcat.getConnector().setProperty("address", "127.0.0.1");
    Context context = tomcat.addContext("", null);
    context.addServletContainerInitializer(new WsSci(), null);
    context.addServletContainerInitializer((classes, servletContext) -> {
      ServerContainer container =
          (ServerContainer) servletContext.getAttribute("jakarta.websocket.server.ServerContainer");
      try {
        for (String path : PATHS)
          container.addEndpoint(
              ServerEndpointConfig.Builder.create(Echo.class, path).subprotocols(List.of("zoo.v1")).build());
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }, null);
    // Without a servlet nothing is asked, and the filter of the container is not reached.
    org.apache.catalina.startup.Tomcat.addServlet(context, "none", new jakarta.servlet.http.HttpServlet() {});
    context.addServletMappingDecoded("/", "none");
    tomcat.start();
    tomcat.getServer().await();
  }
}
