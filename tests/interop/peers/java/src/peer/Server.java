// SPDX-License-Identifier: Apache-2.0
package peer;

import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.MediaTypeRegistry;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.Exchange;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreCtx;

/** /lock GET PUT, /counter POST (adds one), /slow GET (a separate response). Events: ready, request. */
final class Server {
    private static final ScheduledExecutorService LATER = Executors.newSingleThreadScheduledExecutor();
    private static final int SLOW_MS = 300;
    private static boolean required;

    private Server() {
    }

    /** A resource that reports what it did. */
    private abstract static class Kind extends CoapResource {
        Kind(String name) {
            super(name);
        }

        /** null: 4.05. */
        abstract Response answer(Request request);

        @Override
        public void handleRequest(Exchange exchange) {
            Request request = exchange.getRequest();
            Response response;
            if (required && !Contexts.isSealed(request.getSourceContext())) {
                response = new Response(ResponseCode.UNAUTHORIZED);
            } else {
                response = answer(request);
            }
            if (response == null) {
                response = new Response(ResponseCode.METHOD_NOT_ALLOWED);
            }
            Json told = Json.event("request").put("code", request.getCode())
                    .put("path", "/" + request.getOptions().getUriPathString()).put("payload", Json.hex(request.getPayload()))
                    .put("response", response.getCode().text);
            Contexts.describe(told, request.getSourceContext());
            told.print();
            exchange.sendResponse(response);
        }
    }

    private static Response text(ResponseCode code, String body) {
        Response made = new Response(code);
        made.setPayload(body.getBytes(StandardCharsets.UTF_8));
        made.getOptions().setContentFormat(MediaTypeRegistry.TEXT_PLAIN);
        return made;
    }

    private static final class Lock extends Kind {
        private volatile String state = "locked";

        Lock() {
            super("lock");
            setObservable(true);
            getAttributes().setObservable();
        }

        @Override
        Response answer(Request request) {
            if (request.getCode() == Code.GET) {
                return text(ResponseCode.CONTENT, state);
            }
            if (request.getCode() != Code.PUT) {
                return null;
            }
            String wanted = request.getPayloadString();
            if (!wanted.equals("locked") && !wanted.equals("unlocked")) {
                Response refused = new Response(ResponseCode.BAD_REQUEST);
                refused.setPayload("locked or unlocked");
                return refused;
            }
            state = wanted;
            changed();
            return new Response(ResponseCode.CHANGED);
        }
    }

    private static final class Counter extends Kind {
        private int number;

        Counter() {
            super("counter");
        }

        @Override
        synchronized Response answer(Request request) {
            return request.getCode() == Code.POST ? text(ResponseCode.CHANGED, Integer.toString(++number)) : null;
        }
    }

    private static final class Slow extends Kind {
        Slow() {
            super("slow");
        }

        @Override
        Response answer(Request request) {
            return request.getCode() == Code.GET ? text(ResponseCode.CONTENT, "done") : null;
        }

        @Override
        public void handleRequest(Exchange exchange) {
            exchange.sendAccept();
            LATER.schedule(() -> exchange.execute(() -> super.handleRequest(exchange)), SLOW_MS, TimeUnit.MILLISECONDS);
        }
    }

    static void run(String[] argv) throws Exception {
        HashMapCtxDB contexts = new HashMapCtxDB();
        int port = 0;
        for (int i = 0; i < argv.length; i++) {
            switch (argv[i]) {
                case "--port" -> port = Integer.parseInt(argv[++i]);
                case "--context" -> {
                    OSCoreCtx read = Contexts.read(argv[++i], false);
                    contexts.addContext((String) null, read);
                }
                case "--required" -> required = true;
                default -> throw new IllegalArgumentException(argv[i]);
            }
        }
        CoapServer server = new CoapServer(Contexts.configuration());
        server.addEndpoint(CoapEndpoint.builder().setConfiguration(Contexts.configuration())
                .setInetSocketAddress(new InetSocketAddress("127.0.0.1", port))
                .setCoapStackFactory(new OSCoreCoapStackFactory()).setCustomCoapStackArgument(contexts).build());
        server.add(new Lock(), new Counter(), new Slow());
        server.start();
        Json.event("ready").put("port", server.getEndpoints().get(0).getAddress().getPort()).print();
    }
}
