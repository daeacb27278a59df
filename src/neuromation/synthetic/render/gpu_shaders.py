"""What the graphics card runs: the light model of the default renderer in GLSL.

Owns the programs' text. Light is added pass by pass, the sky first and then one lamp after another, so that any number of
lamps fits. Formulas and their sources stand in `shade_light.py`.
"""

from __future__ import annotations

SURFACE_VERTEX = """
#version 330
in vec3 in_place; in vec3 in_normal; in vec2 in_uv; in vec2 in_what;
uniform mat3 turn; uniform vec3 eye; uniform vec4 lens; uniform vec2 range;
out vec3 place; out vec3 normal; out vec2 uv; flat out int material; flat out int owner; out float depth;
invariant gl_Position;
void main() {
    vec3 seen = turn * (in_place - eye);
    place = in_place; normal = in_normal; uv = in_uv; depth = seen.z;
    material = int(in_what.x); owner = int(in_what.y);
    // Row 0 of what is read back is the top of the picture.
    gl_Position = vec4(lens.xy * seen.xy + lens.zw * seen.z, range.x * seen.z + range.y, seen.z);
}
"""

_DISC = """
const float PI = 3.141592653589793;
// Even noise of a pixel (Jimenez, "Next generation post processing in Call of Duty", 2014).
float dither() { return fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)))); }
vec2 spiral(int k, int count, float start) {
    float radius = sqrt((float(k) + 0.5) / float(count)), angle = 2.399963 * float(k) + 2.0 * PI * start;
    return radius * vec2(cos(angle), sin(angle));
}
"""

_SKIN = """
uniform sampler2D skin; uniform bool has_skin; uniform sampler2D materials; uniform vec3 eye;
in vec3 place; in vec3 normal; in vec2 uv; flat in int material; flat in int owner; in float depth;
vec4 entry(int column) { return texelFetch(materials, ivec2(column, material), 0); }
void drop_hidden() {
    if (!gl_FrontFacing && entry(2).y == 0.0) discard;
    if (has_skin && entry(2).z != 0.0 && textureLod(skin, uv, 0.0).a < 0.5) discard;
}
vec3 seen_normal() {
    vec3 n = gl_FrontFacing ? normalize(normal) : -normalize(normal);
    vec3 view = normalize(eye - place);
    float facing = dot(n, view);
    return facing < 1e-4 ? normalize(n + (1e-3 - facing) * view) : n;
}
"""

LABEL_FRAGMENT = (
    "#version 330\n"
    + _SKIN
    + """
uniform mat3 turn;
layout(location = 0) out uint out_id; layout(location = 1) out vec4 out_surface;
void main() {
    drop_hidden();
    out_id = uint(owner + 1);
    out_surface = vec4(turn * seen_normal(), depth);
}
"""
)

SHADOW_VERTEX = """
#version 330
in vec3 in_place; in vec2 in_uv; in vec2 in_what;
uniform mat3 axes; uniform vec3 origin; uniform vec4 fit; uniform vec2 span; uniform bool perspective;
out vec2 uv; flat out int material; out float reached;
void main() {
    vec3 at = axes * (in_place - origin);
    uv = in_uv; material = int(in_what.x); reached = at.z;
    float w = perspective ? at.z : 1.0;
    float z = perspective ? (span.y + span.x) / (span.y - span.x) * at.z - 2.0 * span.y * span.x / (span.y - span.x)
                          : 2.0 * (at.z - span.x) / (span.y - span.x) - 1.0;
    gl_Position = vec4(at.xy * fit.xy + fit.zw * w, z, w);
}
"""

SHADOW_FRAGMENT = """
#version 330
uniform sampler2D skin; uniform bool has_skin; uniform sampler2D materials;
in vec2 uv; flat in int material; in float reached;
layout(location = 0) out float out_distance;
void main() {
    vec4 more = texelFetch(materials, ivec2(2, material), 0);
    if (has_skin && more.z != 0.0 && textureLod(skin, uv, 0.0).a < 0.5) discard;
    if (more.x > 0.0) discard;  // what shines is a lamp and does not shade what is lit in its name
    out_distance = reached;
}
"""

SHADE_FRAGMENT = (
    "#version 330\n"
    + _DISC
    + _SKIN
    + """
uniform int lamp;  // 0: sky and emission, 1: sun, 2: area
uniform vec3 zenith; uniform vec3 horizon; uniform vec3 ground;
uniform vec3 lamp_place; uniform vec3 lamp_light; uniform vec3 lamp_u; uniform vec3 lamp_v; uniform vec3 lamp_shines;
uniform vec2 lamp_patches; uniform float patch_area; uniform float sun_spread;
uniform sampler2D shadow; uniform mat3 axes; uniform vec3 origin; uniform vec4 fit; uniform bool perspective;
uniform vec2 size_m; uniform float bias;
uniform sampler2D openness; uniform vec2 size;
layout(location = 0) out vec4 out_light;

float tilted(float z) {
    z = clamp(z, -1.0, 1.0);
    return 2.0 / (3.0 * PI) * (sqrt(max(0.0, 1.0 - z * z)) + (PI - acos(z)) * z);
}
vec3 sky_seen(float z) { return mix(horizon, z >= 0.0 ? zenith : ground, min(1.0, abs(z))); }
float box_share(float at, float wide) {
    float share = clamp(0.5 + 0.5 * (1.0 - abs(at)) / wide, 0.0, 1.0);
    return share * share * (3.0 - 2.0 * share) * min(1.0, 1.0 / wide);
}
// How far the plane of a surface lies from the lamp where the map is read beside it.
float plane_at(vec2 p, vec3 at, vec3 m) {
    vec2 q = (2.0 * p - 1.0 - fit.zw) / fit.xy;
    float z = perspective ? dot(m, at) / dot(m, vec3(q, 1.0)) : at.z - dot(m.xy, q - at.xy) / m.z;
    return clamp(z, at.z - 0.3 * abs(at.z) - 0.1, at.z + 0.3 * abs(at.z) + 0.1);
}
float lit(vec3 n, vec3 to_lamp) {
    // Percentage-closer soft shadows (Fernando, 2005), compared with the receiver's own plane.
    vec3 at = axes * (place - origin), m = axes * n;
    float w = perspective ? at.z : 1.0, skin_m = bias * w + 0.0007;
    vec2 p = 0.5 + 0.5 * (at.xy * fit.xy / w + fit.zw);
    if (w <= 0.0 || any(lessThan(p, vec2(0.0))) || any(greaterThan(p, vec2(1.0)))) return 1.0;
    float start = dither(), blockers = 0.0, sum = 0.0;
    vec2 wide = perspective ? 0.5 * fit.xy * size_m / at.z : 0.5 * fit.xy * sun_spread;
    vec2 search = perspective ? wide * 0.5 : wide * 0.5 + 0.002;
    for (int k = 0; k < 16; k++) {
        vec2 there = p + search * spiral(k, 16, start);
        float d = texture(shadow, there).x;
        if (d > 0.0 && d < plane_at(there, at, m) - skin_m) { blockers += 1.0; sum += d; }
    }
    if (blockers == 0.0) return 1.0;
    float d = sum / blockers;
    vec2 blur = max(perspective ? wide * (at.z - d) / d : wide * (at.z - d), vec2(1.0 / 2048.0));
    float free = 0.0;
    for (int k = 0; k < 24; k++) {
        vec2 there = p + blur * spiral(k, 24, start);
        float d = texture(shadow, there).x;
        free += d > 0.0 && d < plane_at(there, at, m) - skin_m ? 0.0 : 1.0;
    }
    return free / 24.0;
}
float area_facing(vec3 n, float wrap) {
    float total = 0.0;
    for (float i = 0.0; i < lamp_patches.x; i += 1.0) for (float j = 0.0; j < lamp_patches.y; j += 1.0) {
        vec2 s = (2.0 * vec2(i, j) + 1.0) / lamp_patches - 1.0;
        vec3 d = lamp_place + s.x * lamp_u + s.y * lamp_v - place;
        float from_lamp = -dot(d, lamp_shines), square = dot(d, d), facing = dot(d, n);
        if (wrap > 0.0) facing = (facing + wrap * sqrt(square)) / ((1.0 + wrap) * (1.0 + wrap));
        if (from_lamp > 0.0 && facing > 0.0) total += facing * from_lamp * patch_area / (square * (PI * square + patch_area));
    }
    return total;
}
float mirrored_area(vec3 mirror, float alpha) {
    float towards = -dot(mirror, lamp_shines);
    vec3 d = lamp_place - place;
    if (towards < 1e-3) return 0.0;
    float away = -dot(d, lamp_shines) / towards;
    if (away <= 0.0) return 0.0;
    vec3 h = mirror * away - d;
    float uu = dot(lamp_u, lamp_u), vv = dot(lamp_v, lamp_v), wide = away * alpha * 1.3;
    return box_share(dot(h, lamp_u) / uu, wide / sqrt(uu) + 0.02) * box_share(dot(h, lamp_v) / vv, wide / sqrt(vv) + 0.02);
}
float highlight(vec3 n, vec3 view, vec3 to_lamp, float facing, float alpha) {
    vec3 h = normalize(view + to_lamp);
    float nh = dot(n, h), lh = dot(to_lamp, h), a2 = alpha * alpha, spread = nh * nh * (a2 - 1.0) + 1.0;
    return min(64.0, a2 / (spread * spread) / (4.0 * max(0.05, lh * lh)) * facing);
}
void main() {
    drop_hidden();
    vec4 base = entry(0), gloss_entry = entry(1), more = entry(2);
    int kind = int(base.w);
    float roughness = gloss_entry.x, alpha = max(0.03, roughness * roughness);
    float through = kind == 3 ? gloss_entry.z : 0.0, wrap = 0.5 * through;
    bool glossy = kind == 1 || kind == 2;
    vec3 n = seen_normal(), view = normalize(eye - place), mirror = 2.0 * dot(n, view) * n - view;
    vec3 matt = vec3(0.0), mirrored = vec3(0.0), glow = vec3(0.0);
    if (lamp == 0) {
        float open = texture(openness, gl_FragCoord.xy / size).x, up = tilted(n.z), down = tilted(-n.z);
        matt = open * (horizon * (1.0 + through) + (zenith - horizon) * (up + through * down)
                       + (ground - horizon) * (down + through * up));
        vec3 soft = horizon + (zenith - horizon) * tilted(mirror.z) + (ground - horizon) * tilted(-mirror.z);
        if (glossy) mirrored = open * mix(sky_seen(mirror.z), soft, min(1.0, alpha));
        glow = vec3(more.x);
    } else if (lamp == 1) {
        vec3 to_lamp = -lamp_place;
        float facing = dot(n, to_lamp);
        float light = max(0.0, (facing + wrap) / ((1.0 + wrap) * (1.0 + wrap))) + through * max(0.0, -facing);
        float seen = light > 0.0 ? lit(facing < 0.0 ? -n : n, to_lamp) : 0.0;
        matt = lamp_light * light * seen;
        if (glossy && facing > 0.0) mirrored = lamp_light * seen * highlight(n, view, to_lamp, facing, max(alpha, sun_spread));
    } else {
        vec3 to_lamp = normalize(lamp_place - place);
        float light = area_facing(n, wrap) + (through > 0.0 ? through * area_facing(-n, 0.0) : 0.0);
        float shine = glossy ? mirrored_area(mirror, alpha) : 0.0;
        float seen = light + shine > 0.0 ? lit(dot(n, to_lamp) < 0.0 ? -n : n, to_lamp) : 0.0;
        matt = lamp_light * light * seen;
        mirrored = lamp_light * shine * seen;
    }
    vec3 colour = base.rgb * (has_skin ? texture(skin, uv).rgb : vec3(1.0));
    float rim = pow(clamp(1.0 - dot(n, view), 0.0, 1.0), 5.0) * (1.0 - roughness);
    float fallen = (matt.r + matt.g + matt.b) / 3.0;
    if (kind == 2) { out_light = vec4((colour + (1.0 - colour) * rim) * mirrored + colour * glow, fallen); return; }
    float gloss = kind == 1 ? gloss_entry.y + (1.0 - gloss_entry.y) * rim : 0.0;
    out_light = vec4(colour * ((1.0 - gloss) * matt + glow) + gloss * mirrored, fallen);
}
"""
)

DEPTH_FRAGMENT = (
    "#version 330\n"
    + _SKIN
    + """
void main() { drop_hidden(); }
"""
)

OPEN_FRAGMENT = (
    "#version 330\n"
    + _DISC
    + """
uniform sampler2D surfaces; uniform vec4 lens; uniform float reach;
in vec2 at; layout(location = 0) out float out_open;
void main() {
    // Share of the hemisphere over a surface that nothing in the picture stands in, with the cosine's weight.
    vec4 seen = texelFetch(surfaces, ivec2(gl_FragCoord.xy), 0);
    if (seen.w == 0.0) { out_open = 1.0; return; }
    vec3 m = seen.xyz, c = vec3((at - lens.zw) / lens.xy, 1.0) * seen.w;
    vec3 s = normalize(abs(m.z) < 0.9 ? cross(m, vec3(0.0, 0.0, 1.0)) : cross(m, vec3(1.0, 0.0, 0.0))), t = cross(m, s);
    float open = 0.0, start = dither();
    for (int k = 0; k < 16; k++) {
        vec2 d = spiral(k, 16, start);
        vec3 way = d.x * s + d.y * t + sqrt(max(0.0, 1.0 - dot(d, d))) * m;
        float free = 1.0;
        for (int part = 1; part <= 3; part++) {
            vec3 p = c + way * reach * float(part * part) / 9.0;
            float there = texture(surfaces, 0.5 + 0.5 * (lens.xy * p.xy / p.z + lens.zw)).w;
            float before = p.z - there;
            if (there > 0.0 && before > 0.004 && before < reach) free = min(free, float(part - 1) / 3.0);
        }
        open += free;
    }
    out_open = open / 16.0;
}
"""
)

SCREEN_VERTEX = """
#version 330
out vec2 at;
void main() {
    at = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
    gl_Position = vec4(at, 1.0, 1.0);
}
"""

SKY_FRAGMENT = """
#version 330
uniform vec3 zenith; uniform vec3 horizon; uniform vec3 ground; uniform mat3 turn; uniform vec4 lens;
in vec2 at; layout(location = 0) out vec4 out_light;
void main() {
    vec3 way = normalize(transpose(turn) * vec3((at - lens.zw) / lens.xy, 1.0));
    out_light = vec4(mix(horizon, way.z >= 0.0 ? zenith : ground, min(1.0, abs(way.z))), 0.0);
}
"""

MEAN_FRAGMENT = """
#version 330
uniform sampler2D fine; uniform int side;
in vec2 at; layout(location = 0) out vec4 out_light;
void main() {
    ivec2 corner = ivec2(gl_FragCoord.xy) * side;
    vec4 sum = vec4(0.0);
    for (int y = 0; y < side; y++) for (int x = 0; x < side; x++) sum += texelFetch(fine, corner + ivec2(x, y), 0);
    out_light = sum / float(side * side);
}
"""
