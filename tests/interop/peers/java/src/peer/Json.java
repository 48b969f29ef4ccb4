// SPDX-License-Identifier: Apache-2.0
package peer;

import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/** One JSON object on one line. Members without a value are left out. */
final class Json {
    private final Map<String, Object> members = new LinkedHashMap<>();

    static Json event(String name) {
        return new Json().put("event", name);
    }

    Json put(String name, Object value) {
        if (value != null) {
            members.put(name, value);
        }
        return this;
    }

    static String hex(byte[] bytes) {
        return bytes == null ? "" : HexFormat.of().formatHex(bytes);
    }

    static byte[] unhex(String text) {
        return text == null ? null : HexFormat.of().parseHex(text);
    }

    private static void quote(StringBuilder to, String text) {
        to.append('"');
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                to.append('\\').append(c);
            } else if (c < 0x20) {
                to.append(String.format("\\u%04x", (int) c));
            } else {
                to.append(c);
            }
        }
        to.append('"');
    }

    void print() {
        StringBuilder line = new StringBuilder("{");
        for (Map.Entry<String, Object> member : members.entrySet()) {
            line.append(line.length() > 1 ? ", " : "");
            quote(line, member.getKey());
            line.append(": ");
            if (member.getValue() instanceof Number || member.getValue() instanceof Boolean) {
                line.append(member.getValue());
            } else {
                quote(line, member.getValue().toString());
            }
        }
        synchronized (System.out) {
            System.out.println(line.append('}'));
            System.out.flush();
        }
    }
}
